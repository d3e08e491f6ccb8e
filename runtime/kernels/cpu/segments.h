// The passes of kernels.h in segment form, for maps and token counts where SegmentMap::pays().
#pragma once

#include "runtime/kernels/cpu/segment_map.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

/// S and z of every (b, key head); key_sums where the problem keeps them and they take at most
/// twice v's memory.
void segment_state(const Problem& p, const SegmentMap& map, Forward& result);
/// o and den from S and z.
void segment_apply(const Problem& p, const SegmentMap& map, Forward& result);
/// What the queries' gradients leave for the keys': R [B, Hk, D, dv] and -u [B, Hk, D], of which
/// dphi = w (R v - u). Counted from a center c it is w (R (v - c) - (u - R c)): where features are
/// nearly constant R v and u cancel, and their sums over tokens would not keep the digits.
struct StateGradient {
  at::Tensor R, u;    ///< u with its sign turned
  at::Tensor center;  ///< [B, Hk, dv]; undefined: 0

  /// u of another center (undefined: 0).
  at::Tensor u_from(const at::Tensor& other) const;
  /// Turns u into that of another center.
  void count_from(const at::Tensor& other);
};

/// The center c that makes |S - c z| smallest.
at::Tensor center_of(const Forward& saved);

/// Gradients of q (where result.q is defined) and, where wanted, of its map; fills R and -u for the
/// center at hand.
void segment_query_gradients(const Problem& p, const SegmentMap& map, const Forward& saved,
                             const at::Tensor& grad, bool wants_params, Backward& result,
                             StateGradient& state_gradient);
/// Gradients of k and v (where result.k, result.v are defined) and, where wanted, of the keys' map,
/// by way of the key_sums that are saved, or of sums of its own.
/// power [B, Hk, N] (or undefined): phi . dphi.
void segment_key_gradients(const Problem& p, const SegmentMap& map, const Forward& saved,
                           const StateGradient& state_gradient, bool wants_params,
                           const at::Tensor& power, Backward& result);

}  // namespace luna::kernels::cpu
