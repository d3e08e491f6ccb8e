// Causal attention: token t sees keys 0 .. t. Features are made chunk by chunk, and a scan (scan.h)
// takes a chunk's tokens one after the other through the running state; backward runs the same
// forward for the queries and in reverse for the keys, chunk by chunk where the forward kept the
// states before them, else strip by strip. Where heads are few, a head's tokens are cut into
// strips: every strip's own state first, their exclusive sums, then the strips side by side.
#pragma once

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

/// o, den, and the state after the last token. Nq = N.
void causal_forward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                    Forward& result);

/// What of result is defined is filled; power [B, Hk, N] (or undefined): phi . dphi of every key.
void causal_backward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                     const Forward& saved, const at::Tensor& grad, bool wants_params,
                     const at::Tensor& power, Backward& result);

}  // namespace luna::kernels::cpu
