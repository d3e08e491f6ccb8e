// The fused linear-attention passes as functions on torch tensors: what the operators (runtime/ops)
// call and what the Halide pipelines (generators/) compute. q, k, v and their gradients are
// float32, bfloat16 or float16; everything else is float32. No gradient is recorded here.
//
// Shapes: q [B, H, Nq, d], k [B, Hk, N, d], v [B, Hk, N, dv]; every last stride is 1.
// Features are ordered projection major, channel minor: D = m L.
#pragma once

#include <ATen/ATen.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace luna::kernels {

/// Most knots of a pwl map: what the CPU's search tree holds.
inline constexpr int64_t kMaxKnots = 16 + 16 * 16 + 16 * 16 * 16;

/// M, which exponents are reduced by: none; 0; of every (b, key head) the largest t of an unmasked
/// key and projection, or the largest of `stabiliser_scale` |x|^2.
enum class Stabiliser { absent, zero, projection, square };

class PackedCache;

/// The feature map of one side (query or key), its parameters folded to what the kernels evaluate.
struct MapArgs {
  /// "pwl", "dense_relu", "dense_gelu", "dense_silu", or a fixed map (runtime/ops/fixed_maps.h).
  std::string map;
  int64_t L = 1;  ///< channels per projection (psi maps)
  /// Maps of a projection: t = proj x + bias; proj [m, d], bias [m], or [Hk, m, d], [Hk, m]: a key
  /// head's own, also its queries'.
  at::Tensor proj, bias;
  /// Maps without one: D features lie in `blocks` equal runs (0: one run of d).
  int64_t blocks = 0, block_features = 0;
  at::Tensor coordinates;   ///< [d]: a parameter of every coordinate
  at::Tensor token_values;  ///< [N, c] float32: what the map reads of a token's position
  std::vector<std::variant<float, int32_t>> scalars;  ///< further arguments of the pipelines
  /// pwl: phi_l(t) = max(a t + c, floor), (a, c) of the segment that t lies in; segment s = #{knots
  /// <= t}.
  at::Tensor knots;  ///< [K <= kMaxKnots] float32, ascending, +inf allowed
  at::Tensor
      table;  ///< [K + 1, 2, L] float64: slopes a, intercepts c; scale and feature_eps folded in
  /// dense: phi_l(t) = max(b2_l + sum_h w2_lh act(w1_h t + b1_h), floor); separate psi arrives
  /// block diagonal.
  at::Tensor w1, b1;  ///< [hid]
  at::Tensor w2, b2;  ///< [L, hid], [L], scale and feature_eps folded in
  float floor = -std::numeric_limits<float>::infinity();
  Stabiliser stabilised_by = Stabiliser::absent;
  double stabiliser_scale = 0.0;
  at::Tensor stabiliser;     ///< M [B, heads], key side; undefined: 0, or found first
  float feature_eps = 0.0f;  ///< performer: added to every exponential
  /// Where the CPU's passes keep their own layout of these arguments for later calls; null:
  /// nowhere.
  std::shared_ptr<PackedCache> packed = nullptr;

  bool per_head() const { return proj.defined() && proj.dim() == 3; }
};

std::shared_ptr<PackedCache> make_packed_cache();

/// Whether both are made of the same tensors and numbers, `scalars` and what concerns M aside.
bool is_same(const MapArgs& a, const MapArgs& b);

/// Gradients of the folded parameters; undefined where not asked for or not part of the map.
struct MapGrads {
  at::Tensor proj, bias;   ///< like MapArgs', float32
  at::Tensor coordinates;  ///< [d] float32
  at::Tensor g0,
      g1;  ///< pwl: [K + 1, L] float64, sums of dphi and of dphi t over a segment (active units)
  at::Tensor w1, b1, w2, b2;  ///< dense: float32, gradients of the folded weights
};

/// out = num / max(den + add, clamp): add_eps is {eps, -inf}, clamp_min is {0, eps}.
struct Denominator {
  float add = 0.0f;
  float clamp = -std::numeric_limits<float>::infinity();
};

/// Where "performer" has its scalars (runtime/ops/maps/random_features.cpp); the last is the number
/// of projections of which a token's own M is the largest, 0: M is the stabiliser.
constexpr size_t kPerformerHalfScale = 0, kPerformerEpsilon = 2, kPerformerOwnMaximum = 3;

/// Where "fourier" has the rates at which its exponent grows with |x|^2: that of the gradient, and
/// that of the value, 0 where M takes it away.
constexpr size_t kFourierGrowth = 3, kFourierGrows = 4;

/// What both directions are given. Weights are float32 [B, heads, tokens] or undefined (= 1): phi
/// is multiplied by them; a zero selects the token (phi and v) out, so that NaN in it cannot leak.
struct Problem {
  at::Tensor q, k, v;
  MapArgs q_map, k_map;
  at::Tensor q_weight, k_weight;
  Denominator denominator;
  at::ScalarType o_type = at::kFloat;  ///< of forward's o
  bool causal = false;      ///< query t sees keys 0 .. t; Nq = N. performer: keys' M is 0
  bool keeps_sums = false;  ///< forward may give key_sums, for a backward
};

/// Whether the keys' M, which depends on all of them, is still to be found.
inline bool lacks_stabiliser(const Problem& p) {
  const Stabiliser by = p.k_map.stabilised_by;
  return (by == Stabiliser::projection || by == Stabiliser::square) && !p.causal &&
         !p.k_map.stabiliser.defined();
}

struct Forward {
  at::Tensor o;    ///< [B, H, Nq, dv] in q's memory order; backward needs float32's digits
  at::Tensor den;  ///< [B, H, Nq]: phi(q) z, before the denominator rule
  at::Tensor S;    ///< [B, Hk, D, dv]; causal: after the last token
  at::Tensor z;    ///< [B, Hk, D]
  at::Tensor M;    ///< [B, Hk] where the map has one that depends on the keys, else no elements
  /// The CPU's sums over the keys, in its own layout: of w v over the segments of every task, or
  /// causal the states before every chunk; none where they are not kept: the backward sums again.
  /// (Packed: of every sequence, undefined where not kept.)
  std::vector<at::Tensor> key_sums = {};
};

/// Which gradients are wanted; the rest come back undefined and are not computed where that saves a
/// pass.
struct Wanted {
  bool q = true, k = true, v = true, q_weight = false, k_weight = false, params = true;
  bool wide = false;  ///< q's and k's in float32, for sums that half precision is to round once

  at::ScalarType type(const at::Tensor& x) const { return wide ? at::kFloat : x.scalar_type(); }
};

struct Backward {
  at::Tensor q, k, v;             ///< like their inputs
  at::Tensor q_weight, k_weight;  ///< [B, H, Nq], [B, Hk, N]
  MapGrads q_map, k_map;
};

Forward forward(const Problem& problem);

/// grad [B, H, Nq, dv] is the gradient of o.
Backward backward(const Problem& problem, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted);

/// One more token a sequence (Nq = N = 1, causal): state [B, Hk, D, dv] += phi(k) v^T, norm [B, Hk,
/// D] += phi(k), both float32 and in place, then out [B, H, 1, dv] = phi(q) state / rule(phi(q)
/// norm). Last strides are 1. token_values of a map: one row for each of the B.
void decode_step(const Problem& problem, const at::Tensor& state, const at::Tensor& norm,
                 const at::Tensor& out);

/// psi maps, ch_rms: sum over B, heads and tokens of sum_i phi_l(t_i)^2, [L] float64.
at::Tensor power_sum(const at::Tensor& x, const MapArgs& map);

/// Gradient of sum_l coefficient_l * power_sum_l / 2: dphi = coefficient_l phi, float32 [L] -> dx
/// in float32 (on the CPU x is, too) and parameters.
std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map,
                                           const at::Tensor& coefficient);

}  // namespace luna::kernels
