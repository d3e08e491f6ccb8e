// Gradients of the per-token weights (key mask, envelope) from what both devices' passes leave.
#pragma once

#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// With r = max(den + add, clamp) and s = o . g: the gradient of a query's weight w is s (r - den)
/// / (r w), with (r - den) replaced by r where the clamp holds, and 0 where w = 0. [B, H, Nq].
at::Tensor query_weight_gradient(const Problem& problem, const Forward& saved,
                                 const at::Tensor& grad);

/// From power = phi . dphi of every key: power / w, and 0 where w = 0.
/// [B, Hk, N].
at::Tensor key_weight_gradient(const Problem& problem, const at::Tensor& power);

}  // namespace luna::kernels
