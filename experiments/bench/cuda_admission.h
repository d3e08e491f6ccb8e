// What of a GPU benchmark is worth a call, and what of its times a result. Tested in
// tests/experiments/bench.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/bench/sweep.h"

namespace luna::bench {

/// A row but for its numbers of tokens: "luna, float32, d 64, causal, forward".
std::string sizeless(const SweepRow& row);

/// Seconds of a row from those of the size before, by the model's operations.
class Estimate {
 public:
  /// 0 where there was none.
  double seconds(const SweepRow& row, double flops) const;
  void add(const SweepRow& row, double flops, double seconds);

 private:
  struct Known {
    double flops, seconds;
  };
  std::map<std::string, Known> known_;  // by sizeless()
};

/// Why these rows are no result: half of those of 100 us and more spread, between their quartiles,
/// over more than a twentieth of their median; "" where they do not. Shorter calls wait for the
/// host, whose noise is not the GPU's.
std::string noise(const std::vector<reports::BenchRow>& rows);

}  // namespace luna::bench
