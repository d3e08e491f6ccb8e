// The one per-token weight the kernels multiply phi by: envelope h(x) and key mask together.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::ops {

/// h(x) of x [B, heads, tokens, d] under the mask [B, tokens], float32 [B, heads, tokens];
/// undefined where both are trivial. The mask selects: a masked token's weight is 0 even where x is
/// NaN.
at::Tensor token_weight(const at::Tensor& x, const std::string& envelope,
                        const std::optional<at::Tensor>& mask);

/// Gradient of the envelope: from d loss/d weight and the weight itself to d loss/d x. A token of
/// weight 0 gets 0: masked, underflowed, or x = 0, where torch's norm has subgradient 0 as well.
at::Tensor envelope_gradient(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& grad_weight, const std::string& envelope);

}  // namespace luna::ops
