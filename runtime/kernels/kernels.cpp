// Dispatch of kernels.h by device.
#include "runtime/kernels/kernels.h"

#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cuda/passes.h"
#include "runtime/kernels/cuda/row_passes.h"

namespace luna::kernels {
namespace {

bool on_cuda(const at::Tensor& x) {
  TORCH_CHECK_NOT_IMPLEMENTED(x.is_cpu() || x.is_cuda(), "luna: tensors on ", x.device(),
                              " are not supported; move them to the CPU or a CUDA device");
  return x.is_cuda();
}

/// The largest t over features and tokens of nonzero weight, [B, heads]; -inf where there is none.
at::Tensor key_maximum(const at::Tensor& x, const MapArgs& map, const at::Tensor& weight) {
  return on_cuda(x) ? cuda::key_maximum(cuda::kDevice, x, map, weight)
                    : cpu::key_maximum(x, map, weight);
}

/// With the keys' M: 0 where none is kept.
Problem stabilised(const Problem& problem) {
  Problem result = problem;
  if (!lacks_stabiliser(problem)) return result;
  const at::Tensor& k = problem.k;
  at::Tensor& M = result.k_map.stabiliser;
  M = k.numel() ? key_maximum(k, problem.k_map, problem.k_weight)
                : at::zeros({k.size(0), k.size(1)}, k.options().dtype(at::kFloat));
  M.masked_fill_(M == -std::numeric_limits<double>::infinity(), 0.0);
  return result;
}

}  // namespace

Forward forward(const Problem& problem) {
  return on_cuda(problem.q) ? cuda::forward(cuda::kDevice, stabilised(problem))
                            : cpu::forward(problem);
}

Backward backward(const Problem& problem, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted) {
  const Problem full = stabilised(problem);
  return on_cuda(problem.q) ? cuda::backward(cuda::kDevice, full, saved, grad, wanted)
                            : cpu::backward(full, saved, grad, wanted);
}

void decode_step(const Problem& problem, const at::Tensor& state, const at::Tensor& norm,
                 const at::Tensor& out) {
  on_cuda(problem.q) ? cuda::row_decode_step(cuda::kDevice, problem, state, norm, out)
                     : cpu::decode_step(problem, state, norm, out);
}

at::Tensor power_sum(const at::Tensor& x, const MapArgs& map) {
  return on_cuda(x) ? cuda::power_sum(cuda::kDevice, x, map) : cpu::power_sum(x, map);
}

std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map,
                                           const at::Tensor& coefficient) {
  return on_cuda(x) ? cuda::power_grad(cuda::kDevice, x, map, coefficient)
                    : cpu::power_grad(x, map, coefficient);
}

}  // namespace luna::kernels
