// Dispatch of kernels.h by device.
#include "runtime/kernels/kernels.h"

#include "runtime/kernels/cpu/passes.h"

namespace luna::kernels {
namespace {

void check_device(const at::Tensor& x) {
  TORCH_CHECK_NOT_IMPLEMENTED(x.is_cpu(), "luna: tensors on ", x.device(),
                              " are not supported by this build; move them to the CPU");
}

}  // namespace

Forward forward(const Problem& problem) {
  check_device(problem.q);
  return cpu::forward(problem);
}

Backward backward(const Problem& problem, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted) {
  check_device(problem.q);
  return cpu::backward(problem, saved, grad, wanted);
}

at::Tensor power_sum(const at::Tensor& x, const MapArgs& map) {
  check_device(x);
  return cpu::power_sum(x, map);
}

std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map,
                                           const at::Tensor& coefficient) {
  check_device(x);
  return cpu::power_grad(x, map, coefficient);
}

at::Tensor key_maximum(const at::Tensor& x, const MapArgs& map, const at::Tensor& weight) {
  check_device(x);
  return cpu::key_maximum(x, map, weight);
}

}  // namespace luna::kernels
