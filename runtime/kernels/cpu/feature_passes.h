// The passes of kernels.h by features: tile by tile phi, and products with it. Any map.
#pragma once

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/running_state.h"
#include "runtime/kernels/cpu/segments.h"
#include "runtime/kernels/cpu/tasks.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

/// S and z of every (b, key head).
void feature_state(const Problem& p, const PackedMap& map, at::Tensor& S, at::Tensor& z);
/// The same of FAVOR+ whose keys' M is not given, and M.
void stabilised_state(const Problem& p, at::Tensor& S, at::Tensor& z, at::Tensor& M);
/// Adds to every task of a slot below `slots` the augmented state of its keys, in tiles of `tile`
/// tokens.
void add_states(const Problem& p, const PackedMap& map, const Tasks& tasks, int64_t tile,
                int64_t slots, const TaskStates& states);
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
