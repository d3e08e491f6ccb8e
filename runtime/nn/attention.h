// Attentions as torch modules on heads, by name. One file per family; the registry is in
// attention_registry.cpp.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace luna::nn {

/// What the constructors need. Draws come from torch's default generator.
struct AttentionConfig {
  int64_t head_size = 32;           ///< d
  int64_t m = 16, L = 8, hid = 64;  ///< luna; m also of the fixed maps that have channels
  int64_t features = 128;           ///< m of the other fixed maps: rows of W
  int64_t redraw = 0;  ///< training passes between draws of a fixed map's drawn params; 0: never
};

/// State of a linear attention on one input, without gradients.
struct AttentionHealth {
  double min_denominator;  ///< smallest phi(q) z before the denominator rule
  at::Tensor alive;        ///< bool [H, D]: features above their floor for some key
};

class Attention : public torch::nn::Module {
 public:
  /// q, k, v [B, H, N, d]; key_mask bool [B, N], true = keep -> [B, H, N, d].
  virtual at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const std::optional<at::Tensor>& key_mask) = 0;
  /// Of self-attention: queries of masked tokens do not count. Empty for attentions without a
  /// denominator of features (softmax, mean).
  virtual std::optional<AttentionHealth> health(const at::Tensor& /*q*/, const at::Tensor& /*k*/,
                                                const at::Tensor& /*v*/,
                                                const std::optional<at::Tensor>& /*key_mask*/) {
    return std::nullopt;
  }
  /// Learned psi_l(t), without feature_eps, float32 [T, L] at t [T]; empty for other attentions.
  virtual std::optional<at::Tensor> psi(const at::Tensor& /*t*/) { return std::nullopt; }
};

struct AttentionEntry {
  std::string name;
  std::string description;  ///< one line, for `luna list`
  std::function<std::shared_ptr<Attention>(const AttentionConfig&)> make;
};

/// softmax, the fixed maps (elu, relu, performer, ...), luna, luna-eps, luna-separate, mean.
const std::vector<AttentionEntry>& attention_registry();

/// The entry of that name; a fixed map's with its option behind a colon too ("dpfp:3").
std::optional<AttentionEntry> find_attention(const std::string& name);

}  // namespace luna::nn
