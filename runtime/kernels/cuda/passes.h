// kernels.h on CUDA. Where a map is inlined by the passes (batched form), every pass is one
// pipeline call over the whole batch, everything around it (padding, packing, sums of partial
// results) is ATen on the tensors' device. What tensor cores take, in float32 too, goes there
// (tensor_cores.h); other half precision is widened first. Everything else goes by features in
// memory (row_passes.h). Nothing waits for the stream.
#pragma once

#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

Forward forward(const Backend& backend, const Problem& problem);
Backward backward(const Backend& backend, const Problem& problem, const Forward& saved,
                  const at::Tensor& grad, const Wanted& wanted);
at::Tensor power_sum(const Backend& backend, const at::Tensor& x, const MapArgs& map);
std::pair<at::Tensor, MapGrads> power_grad(const Backend& backend, const at::Tensor& x,
                                           const MapArgs& map, const at::Tensor& coefficient);
at::Tensor key_maximum(const Backend& backend, const at::Tensor& x, const MapArgs& map,
                       const at::Tensor& weight);

}  // namespace luna::kernels::cuda
