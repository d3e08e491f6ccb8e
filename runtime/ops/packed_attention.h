// Forward and backward of packed sequences: attention.h's for each of them alone.
#pragma once

#include "runtime/ops/attention.h"

namespace luna::ops {

/// The outputs side by side as the tokens are; S and z of every sequence, [S, Hk, D, dv] and
/// [S, Hk, D].
kernels::Forward packed_forward(const Inputs& inputs, const Spec& spec, const PreparedMap& map);

/// Gradients of parameters are summed in the order of the sequences.
Gradients packed_backward(const at::Tensor& grad, const Inputs& inputs,
                          const kernels::Forward& saved, const Spec& spec,
                          const WantedGradients& wanted, const PreparedMap& map);

}  // namespace luna::ops
