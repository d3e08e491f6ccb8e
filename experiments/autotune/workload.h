// What schedules are tuned for: calls of the fused operators.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "experiments/bench/operators.h"

namespace luna::autotune {

constexpr int64_t kUsualProjections = 16;

/// A kind of call: an operator with all gradients, or one step of it where it decodes.
struct Call {
  bench::Operator op;
  int64_t d;
  bool causal;
  at::ScalarType dtype;
  int64_t projections = kUsualProjections;  ///< LUNA's m
  int64_t group = 1;                        ///< query heads of a key head

  /// Of so many key heads and tokens; where it decodes, each token is that of another sequence.
  bench::Size size(int64_t heads, int64_t tokens) const;
  bench::Tokens tokens(const bench::Size& size, c10::Device device) const;
  /// Of such tokens, which calls of the same size, dtype and device share.
  std::function<void()> task(const bench::Size& size, const bench::Tokens& tokens) const;
};

/// On the CPU the fused operators of the table of `luna bench` at d 32, 48 (a size that no pipeline
/// is built for) and 64, causal and not. On CUDA those of its full table, LUNA with a dense psi and
/// with ch_rms at d 64 and 32, what has kernels of its own in half precision in bfloat16 and
/// float16 too; LUNA, elu and performer at d 128, in float32 and bfloat16; and decoding steps, also
/// of grouped heads and of states with rows beyond their whole blocks.
const std::vector<Call>& tuned_calls(c10::DeviceType device);

struct Workload {
  const Call* call;
  bench::Size size;  ///< to check it at
  std::function<void()> run;
  /// Pipelines that it looks up, at most which it runs; empty: not known (on the CPU, where a
  /// pipeline is looked up once).
  std::set<std::string> looked_up;
};

/// What schedules are tuned for: all calls, and on a GPU those that do not fill it.
struct Workloads {
  std::vector<Workload> all, few_rows;
};

/// Those calls on 4 heads of 1024 tokens; timed on as many, and on a GPU, as all calls, on 64
/// heads. Those that are not built for the device are left out.
Workloads workloads(c10::Device device);

/// Whether one call of it runs that pipeline.
bool runs(const Workload& workload, const std::string& pipeline);

}  // namespace luna::autotune
