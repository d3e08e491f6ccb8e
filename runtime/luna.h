// Public interface of libluna: linear attention with learned (LUNA) and fixed feature maps.
//
// Shape letters: B batch, H query heads, Hk key heads (Hk divides H), Nq queries, N keys, d head
// size, dv value size, m projections, L channels, hid hidden units of psi, D = m L features. The
// same operators are torch.ops.luna.* in Python (torch.ops.load_library("libluna.so")).
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

namespace luna {

/// Options common to every linear attention.
struct AttentionOptions {
  bool causal = false;                  ///< token t sees keys 0..t
  std::optional<at::Tensor> key_mask;   ///< bool [B, N], true = keep, applied after the map
  std::string denominator = "add_eps";  ///< "add_eps": den + eps, "clamp_min": max(den, eps)
  double eps = 1e-6;
  /// int32 [S + 1]: S sequences lie one behind the other in the one row of q, k and v (B = 1,
  /// Nq = N); sequence s is the tokens from cu_seqlens[s] up to cu_seqlens[s + 1] and attends
  /// within itself alone. It may be empty. Offsets on a CUDA device are copied to the host, which
  /// waits for its stream and is refused while a CUDA graph is captured; pass them on the host and
  /// nothing waits.
  std::optional<at::Tensor> cu_seqlens;
};

/// Parameters of LUNA's feature map, phi(x) = h(x)/sqrt(m) [psi_l(w_i x + b_i) + feature_eps].
struct LunaParams {
  at::Tensor proj_weight;  ///< [m, d]
  at::Tensor proj_bias;    ///< [m]
  at::Tensor w1;           ///< shared psi [hid]; separate psi [L, hid]
  at::Tensor b1;           ///< as w1
  at::Tensor w2;           ///< [L, hid]
  at::Tensor b2;           ///< [L]
};

struct LunaOptions : AttentionOptions {
  std::string activation = "relu";  ///< relu, gelu (exact), silu, leaky_relu (0.01), hardtanh
  bool nonneg = true;               ///< ReLU on psi's output
  std::string envelope = "none";    ///< none, exp (exp(-|x|^2/2)), norm (|x|)
  /// Scales every channel of psi down to this RMS; 0: off. As in Listing 1 the RMS is over all
  /// queries, and over all keys, of the call, masked ones too (numbers in them that are not finite
  /// count as 0), so that padding changes it; in a packed call over those of one sequence.
  double ch_rms_target = 0.0;
  /// auto, dense (relu, gelu, silu), pwl (relu, leaky_relu, hardtanh). The same function, but for
  /// infinite numbers. An infinite w1 or w2 makes every pwl feature NaN that it has a part in,
  /// where dense follows the MLP's arithmetic (ReLU may cut it off); infinite b1 and b2 are the
  /// MLP's in both. An infinite w_i x + b_i makes its dense features NaN; its pwl ones are NaN or
  /// psi's limit there: infinite, or nonneg's 0 where psi falls. Where envelope "exp" is 0, as at
  /// an infinite x, the features are 0 in both (torch.ops.luna.reference_attention has NaN at
  /// infinite x).
  std::string psi = "auto";
  double feature_eps = 0.0;  ///< added to every psi output
};

/// LUNA attention. q [B, H, Nq, d], k [B, Hk, N, d], v [B, Hk, N, dv] -> [B, H, Nq, dv].
at::Tensor luna_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const LunaParams& params, const LunaOptions& options = {});

/// Linear attention with a fixed map: a name of `luna list feature-maps` but "luna", whose options
/// luna_attention takes, with an option behind a colon where the map has one ("elu",
/// "performer:hyperbolic", "dpfp:3"); params as listed there. Names of attentions alone, such as
/// "luna-eps", are refused. So are luna-spline's knots unless they are finite and rise strictly,
/// and a luna-deep whose psi has more than 4368 knots; on a CUDA device, where no call waits for
/// their values, both make NaN.
at::Tensor fixed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::string& feature_map, at::TensorList params,
                           const AttentionOptions& options = {});

/// What a prompt leaves: its causal output, and the state that decoding goes on from, without
/// gradients and unpadded. Where a gradient is recorded, the backward of `out` reads both: before
/// it, decode into clones of them (autograd refuses a backward after a step changed them).
struct Prefilled {
  at::Tensor out;    ///< [B, H, N, dv]
  at::Tensor state;  ///< sum of phi(k) v^T, [B, Hk, D, dv] float32; packed: [S, Hk, D, dv]
  at::Tensor norm;   ///< sum of phi(k), [B, Hk, D] float32; packed: [S, Hk, D]
};

/// luna_attention with causal = true, whatever the options say, and its state. Masked tokens leave
/// nothing in it.
Prefilled luna_prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const LunaParams& params, const LunaOptions& options = {});

/// The same with a fixed map.
Prefilled fixed_prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const std::string& feature_map, at::TensorList params,
                        const AttentionOptions& options = {});

/// One more token of every sequence: q [B, H, d], k [B, Hk, d], v [B, Hk, dv] -> [B, H, dv], what
/// the causal operator gives for that token. state and norm as Prefilled's (zeros: no token yet;
/// rows may be strided, the last stride is 1) take the token in, in place. Sequences of a batch may
/// have different lengths: each has only its own state. No gradient is recorded, and inputs that
/// require one are refused under grad mode; so are key_mask, cu_seqlens and ch_rms_target > 0.
/// On a CUDA device no call of LUNA's waits for the stream, but for a psi as a table in a library
/// that was built without nvcc, which the host folds.
at::Tensor luna_decode_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& state, const at::Tensor& norm,
                            const LunaParams& params, const LunaOptions& options = {});

/// The same with a fixed map. positions: int64 [B], how many tokens each sequence has had; maps
/// whose features depend on it (cosformer:<max_length>) need them, of others only dtype, shape and
/// device are looked at. On a CUDA device, where a step does not wait for the stream, features of
/// positions out of range are NaN; on the CPU they are refused.
at::Tensor fixed_decode_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& state, const at::Tensor& norm,
                             const std::string& feature_map, at::TensorList params,
                             const AttentionOptions& options = {},
                             const std::optional<at::Tensor>& positions = {});

/// FAVOR+'s W [m, d]: blocks of d orthogonal rows, each scaled to the norm of an independent N(0,
/// I_d) draw.
at::Tensor performer_projection(int64_t m, int64_t d, std::optional<at::Generator> generator = {});

/// The params of a fixed map that a model starts with, float32 on the CPU: drawn ones drawn,
/// trained ones at their published initial values. m: rows of W, where the map has one.
std::vector<at::Tensor> draw_feature_map(const std::string& feature_map, int64_t m, int64_t d,
                                         std::optional<at::Generator> generator = {});

}  // namespace luna
