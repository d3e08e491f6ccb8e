#include "runtime/nn/linear_attention.h"

#include <ATen/core/grad_mode.h>

#include <limits>

#include "runtime/luna.h"
#include "runtime/ops/internal.h"

namespace luna::nn {

std::optional<AttentionHealth> LinearAttention::health(const at::Tensor& q, const at::Tensor& k,
                                                       const at::Tensor& v,
                                                       const std::optional<at::Tensor>& key_mask) {
  const at::NoGradGuard no_grad;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const ops::Inputs inputs{q, k, v, params(), key_mask};
  auto [o, den, S, z] = ops::fused_forward("health", inputs, spec_);
  if (spec_.feature_eps != 0) {
    ops::Spec bare = spec_;
    bare.feature_eps = 0;  // a feature at its floor then is zero for every key
    z = std::get<3>(ops::fused_forward("health", inputs, bare));
  }
  if (key_mask) den = den.masked_fill(key_mask->logical_not().unsqueeze(1), kInfinity);
  return AttentionHealth{den.numel() ? den.min().item<double>() : kInfinity, (z != 0).any(0)};
}

FixedAttention::FixedAttention(const std::string& feature_map, const AttentionConfig& config)
    : LinearAttention({}) {
  spec_.feature_map = feature_map;
  if (feature_map == "performer") {
    params_ = {register_buffer("W", performer_projection(config.features, config.head_size))};
  }
}

at::Tensor FixedAttention::forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const std::optional<at::Tensor>& key_mask) {
  AttentionOptions options;
  options.key_mask = key_mask;
  return fixed_attention(q, k, v, spec_.feature_map, params_, options);
}

}  // namespace luna::nn
