// The passes of kernels.h by features: tile by tile phi, and products with it. Any map.
#pragma once

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/segments.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

/// S and z of every (b, key head).
void feature_state(const Problem& p, const PackedMap& map, at::Tensor& S, at::Tensor& z);
/// o and den from S and z.
void feature_apply(const Problem& p, const PackedMap& map, Forward& result);

/// Gradients of q (where result.q is defined) and, where wanted, of its map; fills R and -u.
void feature_query_gradients(const Problem& p, const PackedMap& map, const Forward& saved,
                             const at::Tensor& grad, bool wants_params, Backward& result,
                             StateGradient& state_gradient);
/// Gradients of k and v (where result.k, result.v are defined) and, where wanted, of the keys' map.
/// power [B, Hk, N] (or undefined): phi . dphi.
void feature_key_gradients(const Problem& p, const PackedMap& map,
                           const StateGradient& state_gradient, bool wants_params,
                           const at::Tensor& power, Backward& result);

}  // namespace luna::kernels::cpu
