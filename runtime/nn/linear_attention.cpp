#include "runtime/nn/linear_attention.h"

#include <ATen/core/grad_mode.h>

#include <limits>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"

namespace luna::nn {
namespace {

constexpr int64_t kSeeds = int64_t{1} << 62;

/// m of a fixed map's params: as LUNA's where each projection has channels.
int64_t projections(const AttentionConfig& config, const ops::NamedMap& map) {
  return ops::has_channels(map) ? config.m : config.features;
}

}  // namespace

std::optional<AttentionHealth> LinearAttention::health(const at::Tensor& q, const at::Tensor& k,
                                                       const at::Tensor& v,
                                                       const std::optional<at::Tensor>& key_mask) {
  const at::NoGradGuard no_grad;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const ops::Inputs inputs{q, k, v, params(), key_mask};
  auto [o, den, S, z, M] = ops::fused_forward("health", inputs, spec_);
  if (spec_.feature_eps != 0) {
    ops::Spec bare = spec_;
    bare.feature_eps = 0;  // a feature at its floor then is zero for every key
    z = std::get<3>(ops::fused_forward("health", inputs, bare));
  }
  if (key_mask) den = den.masked_fill(key_mask->logical_not().unsqueeze(1), kInfinity);
  return AttentionHealth{den.numel() ? den.min().item<double>() : kInfinity, (z != 0).any(0)};
}

FixedAttention::FixedAttention(const std::string& feature_map, const AttentionConfig& config)
    : LinearAttention({}), config_(config) {
  spec_.feature_map = feature_map;
  const ops::NamedMap map = ops::find_fixed_map(feature_map);
  const std::vector<ops::MapParam> rows = map.params();
  const std::vector<at::Tensor> initial =
      draw_feature_map(feature_map, projections(config, map), config.head_size);
  bool any_drawn = false;
  for (size_t i = 0; i < initial.size(); ++i) {
    const bool trained = rows[i].kind == ops::ParamKind::trained;
    any_drawn = any_drawn || rows[i].kind == ops::ParamKind::drawn;
    params_.push_back(trained ? register_parameter(rows[i].name, initial[i])
                              : register_buffer(rows[i].name, initial[i]));
  }
  if (config.redraw <= 0 || !any_drawn) return;
  redraw_seed_ = register_buffer("redraw_seed", at::randint(kSeeds, {}, at::kLong));
  passes_ = register_buffer("passes", at::zeros({}, at::kLong));
}

at::Tensor FixedAttention::forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const std::optional<at::Tensor>& key_mask) {
  if (passes_.defined() && is_training()) count_pass();
  AttentionOptions options;
  options.key_mask = key_mask;
  return fixed_attention(q, k, v, spec_.feature_map, params_, options);
}

void FixedAttention::count_pass() {
  const int64_t passes = passes_.item<int64_t>();
  if (passes > 0 && passes % config_.redraw == 0) {
    draw_anew(static_cast<uint64_t>(redraw_seed_.item<int64_t>() + passes));
  }
  passes_.fill_(passes + 1);
}

void FixedAttention::draw_anew(uint64_t seed) {
  const at::NoGradGuard no_grad;
  const ops::NamedMap map = ops::find_fixed_map(spec_.feature_map);
  const std::vector<ops::MapParam> rows = map.params();
  const std::vector<at::Tensor> drawn =
      draw_feature_map(spec_.feature_map, projections(config_, map), config_.head_size,
                       at::detail::createCPUGenerator(seed));
  for (size_t i = 0; i < params_.size(); ++i) {
    if (rows[i].kind == ops::ParamKind::drawn) params_[i].copy_(drawn[i]);
  }
}

}  // namespace luna::nn
