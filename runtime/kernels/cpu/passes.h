// kernels.h on the CPU.
#pragma once

#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

Forward forward(const Problem& problem);
/// Whether forward finds the keys' M on its way, so that it need not be given.
bool finds_stabiliser(const Problem& problem);
Backward backward(const Problem& problem, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted);
at::Tensor power_sum(const at::Tensor& x, const MapArgs& map);
std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map,
                                           const at::Tensor& coefficient);
void decode_step(const Problem& problem, const at::Tensor& state, const at::Tensor& norm,
                 const at::Tensor& out);
at::Tensor key_maximum(const at::Tensor& x, const MapArgs& map, const at::Tensor& weight);

}  // namespace luna::kernels::cpu
