// What schedules are tuned for: calls of the fused operators.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "experiments/bench/operators.h"
#include "runtime/kernels/registry.h"

namespace luna::autotune {

struct Workload {
  bench::Operator op;
  bench::Size size;  ///< to check it at
  bool causal;
  std::function<void()> run;  ///< one call with all gradients
};

/// The fused operators of the table of `luna bench` on 1024 tokens of 4 heads (timed on a GPU: of
/// 8 times 8), d 32, 48 and 64, causal and not, with gradients, on tensors of the device; those
/// that are not built for it are left out.
std::vector<Workload> workloads(c10::Device device);

/// Whether one call of it runs that pipeline.
bool calls(const Workload& workload, const std::string& pipeline, kernels::Pipeline entry);

}  // namespace luna::autotune
