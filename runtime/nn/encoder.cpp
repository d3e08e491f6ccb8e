#include "runtime/nn/encoder.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

namespace luna::nn {
namespace {

constexpr double kEmbeddingDeviation = 0.02;

torch::nn::LayerNorm layer_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

torch::nn::Embedding embedding(int64_t rows, int64_t width) {
  torch::nn::Embedding table(rows, width);
  const at::NoGradGuard no_grad;
  table->weight.normal_(0, kEmbeddingDeviation);
  return table;
}

AttentionConfig map_config(const EncoderConfig& config) {
  AttentionConfig map = config.map;
  map.head_size = config.width / config.heads;
  return map;
}

}  // namespace

void EncoderHealth::add(size_t layer, const AttentionHealth& health) {
  if (layer == layers.size()) {
    layers.push_back(health);
    return;
  }
  layers[layer].min_denominator = std::min(layers[layer].min_denominator, health.min_denominator);
  layers[layer].alive = layers[layer].alive.logical_or(health.alive);
}

double EncoderHealth::min_denominator() const {
  double smallest = std::numeric_limits<double>::infinity();
  for (const AttentionHealth& layer : layers) smallest = std::min(smallest, layer.min_denominator);
  return smallest;
}

double EncoderHealth::dead_features() const {
  double dead = 0;
  for (const AttentionHealth& layer : layers) {
    dead += 1 - layer.alive.to(at::kDouble).mean().item<double>();
  }
  return layers.empty() ? 0 : dead / static_cast<double>(layers.size());
}

EncoderLayer::EncoderLayer(const EncoderConfig& config)
    : heads_(config.heads),
      norm1_(layer_norm(config.width)),
      norm2_(layer_norm(config.width)),
      qkv_(config.width, 3 * config.width),
      out_(config.width, config.width),
      expand_(config.width, config.ffn),
      contract_(config.ffn, config.width),
      dropout_(config.dropout) {
  register_module("norm1", norm1_);
  register_module("qkv", qkv_);
  attention_ =
      register_module("attention", find_attention(config.attention)->make(map_config(config)));
  register_module("out", out_);
  register_module("norm2", norm2_);
  register_module("expand", expand_);
  register_module("contract", contract_);
  register_module("dropout", dropout_);
}

at::Tensor EncoderLayer::forward(const at::Tensor& x, const std::optional<at::Tensor>& key_mask,
                                 EncoderHealth* health, size_t layer) {
  const int64_t B = x.size(0), N = x.size(1);
  const auto by_head = [&](const at::Tensor& part) {  // [B, N, width] -> [B, H, N, d], a view
    return part.view({B, N, heads_, -1}).transpose(1, 2);
  };
  const auto parts = qkv_(norm1_(x)).chunk(3, -1);
  const at::Tensor q = by_head(parts[0]), k = by_head(parts[1]), v = by_head(parts[2]);
  if (health) {
    if (const auto state = attention_->health(q, k, v, key_mask)) health->add(layer, *state);
  }
  const at::Tensor mixed = attention_->forward(q, k, v, key_mask).transpose(1, 2);
  const at::Tensor attended = x + dropout_(out_(mixed.reshape({B, N, -1})));
  return attended + dropout_(contract_(dropout_(at::gelu(expand_(norm2_(attended))))));
}

Encoder::Encoder(const EncoderConfig& config) : config_(config) {
  TORCH_CHECK_VALUE(config.width % config.heads == 0, "encoder: heads (", config.heads,
                    ") must divide width (", config.width, ")");
  TORCH_CHECK_VALUE(find_attention(config.attention), "encoder: unknown attention '",
                    config.attention, "'");
  tokens_ = register_module("tokens", embedding(config.vocabulary, config.width));
  positions_ = register_module("positions", embedding(config.length, config.width));
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.push_back(
        register_module("layer" + std::to_string(i), std::make_shared<EncoderLayer>(config)));
  }
  norm_ = register_module("norm", layer_norm(config.width));
  dropout_ = register_module("dropout", torch::nn::Dropout(config.dropout));
  if (!config.per_token) {
    hidden_ = register_module("hidden", torch::nn::Linear(config.width, config.ffn));
  }
  const int64_t features = config.per_token ? config.width : config.ffn;
  classifier_ = register_module("classifier", torch::nn::Linear(features, config.classes));
}

at::Tensor Encoder::forward(const at::Tensor& ids, EncoderHealth* health) {
  const int64_t N = ids.size(1);
  TORCH_CHECK_VALUE(N <= config_.length, "encoder: ", N, " tokens exceed the model's length of ",
                    config_.length, "; shorten them, or build it with length ", N);
  const bool fields = ids.dim() == 3;
  const at::Tensor real = (fields ? ids.select(2, 0) : ids) != 0;  // [B, N]
  std::optional<at::Tensor> keep;
  if (!real.all().item<bool>()) keep = real;

  at::Tensor x = tokens_(ids);
  if (fields) x = x.sum(2);
  x = dropout_(x + positions_->weight.narrow(0, 0, N));
  for (size_t i = 0; i < layers_.size(); ++i) x = layers_[i]->forward(x, keep, health, i);
  return classify(norm_(x), keep);
}

at::Tensor Encoder::classify(const at::Tensor& x, const std::optional<at::Tensor>& keep) {
  if (config_.per_token) return classifier_(x);
  const at::Tensor kept = keep ? x * keep->unsqueeze(-1) : x;
  return classifier_(hidden_(kept.mean(1)).relu());
}

std::vector<at::Tensor> Encoder::psi(const at::Tensor& t) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> samples;
  for (const auto& layer : layers_) {
    if (const auto psi = layer->attention().psi(t)) samples.push_back(*psi);
  }
  return samples;
}

}  // namespace luna::nn
