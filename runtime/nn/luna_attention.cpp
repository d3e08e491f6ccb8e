#include <cmath>

#include "runtime/luna.h"
#include "runtime/nn/linear_attention.h"

namespace luna::nn {
namespace {

/// torch.nn.Linear's initialisation: U(-r, r) with r = 1/sqrt(inputs).
at::Tensor linear_init(at::IntArrayRef shape, int64_t inputs) {
  const double r = 1.0 / std::sqrt(static_cast<double>(inputs));
  return at::empty(shape).uniform_(-r, r);
}

}  // namespace

LunaAttention::LunaAttention(const AttentionConfig& config, PsiKind kind, double feature_eps)
    : LinearAttention({}) {
  spec_.feature_eps = feature_eps;
  const std::vector<int64_t> units = kind == PsiKind::shared
                                         ? std::vector<int64_t>{config.hid}
                                         : std::vector<int64_t>{config.L, config.hid};
  const double scale = 1.0 / std::sqrt(static_cast<double>(config.head_size));
  proj_weight_ =
      register_parameter("proj_weight", at::randn({config.m, config.head_size}).mul_(scale));
  proj_bias_ = register_parameter("proj_bias", at::zeros({config.m}));
  w1_ = register_parameter("w1", linear_init(units, 1));
  b1_ = register_parameter("b1", linear_init(units, 1));
  w2_ = register_parameter("w2", linear_init({config.L, config.hid}, config.hid));
  b2_ = register_parameter("b2", linear_init({config.L}, config.hid));
}

at::Tensor LunaAttention::forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const std::optional<at::Tensor>& key_mask) {
  LunaOptions options;
  options.key_mask = key_mask;
  options.feature_eps = spec_.feature_eps;
  return luna_attention(q, k, v, {proj_weight_, proj_bias_, w1_, b1_, w2_, b2_}, options);
}

std::optional<at::Tensor> LunaAttention::psi(const at::Tensor& t) {
  const at::Tensor x = t.view({-1, 1, 1});           // [T, 1, 1]
  const at::Tensor hidden = (x * w1_ + b1_).relu();  // [T, 1 or L, hid]
  return ((hidden * w2_).sum(-1) + b2_).relu();      // [T, L]
}

}  // namespace luna::nn
