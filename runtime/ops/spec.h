// What an attention operator was asked for, as one value: the public operators fill it, everything
// below reads it.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace luna::ops {

struct Spec {
  std::string feature_map = "luna";  ///< luna or a fixed map (fixed_maps.h)
  std::string activation = "relu";   ///< relu, gelu (exact), silu, leaky_relu, hardtanh
  bool nonneg = true;
  std::string envelope = "none";
  double ch_rms_target = 0.0;
  std::string psi = "auto";
  std::string denominator = "add_eps";
  double eps = 1e-6;
  double feature_eps = 0.0;
  bool causal = false;
  at::ScalarType o_type = at::kFloat;  ///< of the internal operators' o
  bool keeps_sums = false;  ///< of the kernels (kernels.h); no option, so that maps are kept alike

  bool learned() const { return feature_map == "luna"; }
  bool has_envelope() const { return envelope != "none"; }
  /// The name that errors of a call on real tensors begin with.
  const char* op() const { return learned() ? "luna_attention" : "fixed_attention"; }
};

inline bool operator==(const Spec& a, const Spec& b) {
  const auto all = [](const Spec& s) {
    return std::tie(s.feature_map, s.activation, s.nonneg, s.envelope, s.ch_rms_target, s.psi,
                    s.denominator, s.eps, s.feature_eps, s.causal);
  };
  return all(a) == all(b);
}

/// Of a fixed map, whose other options stay as they are.
inline Spec fixed_spec(const std::string& feature_map, const std::string& denominator, double eps,
                       bool causal) {
  Spec spec;
  spec.feature_map = feature_map;
  spec.denominator = denominator;
  spec.eps = eps;
  spec.causal = causal;
  return spec;
}

/// Tensors of one call. params: proj_weight, proj_bias, w1, b1, w2, b2 for luna; a fixed map's as
/// FixedMap::params lists them. cu_seqlens: int32 [S + 1], where each of S sequences that lie in
/// one row begins, and where the last ends (packed.h).
struct Inputs {
  at::Tensor q, k, v;
  std::vector<at::Tensor> params;
  std::optional<at::Tensor> key_mask;
  std::optional<at::Tensor> cu_seqlens = {};
  std::optional<at::Tensor> positions = {};  ///< decoding: int64 [B], tokens before this one
};

/// Positions in Inputs::params of LUNA's parameters.
enum LunaParam { kProjWeight, kProjBias, kW1, kB1, kW2, kB2, kLunaParams };

/// Performer's feature eps (baselines: 1e-4, added to every exponential).
inline constexpr double kPerformerEps = 1e-4;

/// leaky_relu(t) = t where t > 0, else this times t.
inline constexpr double kLeakySlope = 0.01;

}  // namespace luna::ops
