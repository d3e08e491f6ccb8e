#include "tests/runtime/kernels/hosted_kernels.h"

#include <atomic>
#include <unordered_map>

#include "runtime/kernels/cuda/passes.h"

#define LUNA_PIPELINE(name) extern "C" int name##_argv(void** arguments);
#include "hosted_pipelines.inc"
#undef LUNA_PIPELINE

namespace luna {
namespace {

std::atomic<int64_t> calls{0};

kernels::Pipeline find_hosted(const std::string& name) {
  static const std::unordered_map<std::string, kernels::Pipeline> pipelines = {
#define LUNA_PIPELINE(name) {#name, &name##_argv},
#include "hosted_pipelines.inc"
#undef LUNA_PIPELINE
  };
  calls++;
  const auto found = pipelines.find(name);
  return found == pipelines.end() ? nullptr : found->second;
}

const kernels::cuda::Backend kHosted{"_hosted", &find_hosted, false};

}  // namespace

namespace kernels {

Forward forward(const Problem& problem) { return cuda::forward(kHosted, problem); }

Backward backward(const Problem& problem, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted) {
  return cuda::backward(kHosted, problem, saved, grad, wanted);
}

at::Tensor power_sum(const at::Tensor& x, const MapArgs& map) {
  return cuda::power_sum(kHosted, x, map);
}

std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map,
                                           const at::Tensor& coefficient) {
  return cuda::power_grad(kHosted, x, map, coefficient);
}

at::Tensor key_maximum(const at::Tensor& x, const MapArgs& map, const at::Tensor& weight) {
  return cuda::key_maximum(kHosted, x, map, weight);
}

}  // namespace kernels

int64_t test::hosted_calls() { return calls; }

}  // namespace luna
