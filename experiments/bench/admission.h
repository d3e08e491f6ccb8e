// Which rows of the full benchmark are timed: the operator computes the function (the gate), takes
// the options at all, and one call of it ends in time and fits memory.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "experiments/bench/gate.h"
#include "experiments/bench/sweep.h"

namespace luna::bench {

struct Limits {
  double call_seconds;  ///< of one call
  double bytes;         ///< of tensors beyond the inputs
};

/// Of one call at a row's size, from one with at most 1024 tokens: seconds grow as the model's
/// operations, bytes with N, or N^2 where every score is in memory.
struct Demand {
  double seconds = 0, bytes = 0;
};
Demand scaled(const Demand& probe, double flops_ratio, double tokens_ratio, bool quadratic_memory);

/// Why such a call is not made; empty where it is.
std::string refusal(const Demand& demand, const Limits& limits);

/// Asked row by row; what was found once is remembered.
class Admission {
 public:
  explicit Admission(Limits limits) : limits_(limits) {}

  /// The operator's first error on a small input; empty where it takes it. Then it has passed the
  /// gate: one that computes something else throws std::runtime_error.
  const std::string& refused(const Operator& op, const Size& size, bool causal);
  /// Why the row is left out; empty where it is timed.
  std::string reason(const SweepRow& row, const Group& group);
  /// Gate results so far, in order.
  struct Passed {
    GateResult result;
    int64_t d;
    bool causal;
  };
  const std::vector<Passed>& passed() const { return passed_; }

 private:
  Demand demand(const SweepRow& row, const Group& group);

  Limits limits_;
  std::map<std::tuple<std::string, int64_t, bool, bool>, std::string> refusals_;
  std::map<std::string, Demand> probes_;
  std::vector<Passed> passed_;
};

}  // namespace luna::bench
