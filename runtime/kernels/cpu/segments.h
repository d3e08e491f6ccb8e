// The passes of kernels.h in segment form, for maps and token counts where SegmentMap::pays().
#pragma once

#include "runtime/kernels/cpu/segment_map.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

/// S and z of every (b, key head).
void segment_state(const Problem& p, const SegmentMap& map, at::Tensor& S, at::Tensor& z);
/// o and den from S and z.
void segment_apply(const Problem& p, const SegmentMap& map, Forward& result);
/// Gradients of q (where result.q is defined) and of its map; R [B, Hk, D, dv] and -u [B, Hk, D].
void segment_query_gradients(const Problem& p, const SegmentMap& map, const Forward& saved,
                             const at::Tensor& grad, Backward& result, at::Tensor& R,
                             at::Tensor& u);
/// Gradients of k and v (where result.k, result.v are defined) and of the keys' map. power [B, Hk,
/// N] (or undefined): phi . dphi.
void segment_key_gradients(const Problem& p, const SegmentMap& map, const at::Tensor& R,
                           const at::Tensor& u, bool params, const at::Tensor& power,
                           Backward& result);

}  // namespace luna::kernels::cpu
