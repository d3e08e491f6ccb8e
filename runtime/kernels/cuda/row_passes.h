// kernels.h on CUDA by features in memory: any map, any head sizes, causal or not, piece by piece
// (rows.h). Everything around the pipelines is ATen on the tensors' device; nothing waits for the
// stream.
#pragma once

#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

Forward row_forward(const Backend& backend, const Problem& problem);
Backward row_backward(const Backend& backend, const Problem& problem, const Forward& saved,
                      const at::Tensor& grad, const Wanted& wanted);
void row_decode_step(const Backend& backend, const Problem& problem, const at::Tensor& state,
                     const at::Tensor& norm, const at::Tensor& out);
at::Tensor row_power_sum(const Backend& backend, const at::Tensor& x, const MapArgs& map);
std::pair<at::Tensor, MapGrads> row_power_grad(const Backend& backend, const at::Tensor& x,
                                               const MapArgs& map, const at::Tensor& coefficient);
at::Tensor row_key_maximum(const Backend& backend, const at::Tensor& x, const MapArgs& map,
                           const at::Tensor& weight);

}  // namespace luna::kernels::cuda
