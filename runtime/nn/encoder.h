// The encoder of the Long Range Arena's small PyTorch protocol: learned positions, pre-LN layers,
// mean pooling over the padded length; a classifier a sequence or a token. The attention is any of
// the registry's.
#pragma once

#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include "runtime/nn/attention.h"

namespace luna::nn {

struct EncoderConfig {
  int64_t vocabulary, length, classes;
  bool per_token;
  int64_t layers = 2, width = 64, heads = 2, ffn = 128;
  double dropout = 0;                 ///< behind the embedding, the attention, the FFN and its GELU
  std::string attention = "softmax";  ///< a name of attention_registry()
  AttentionConfig map;                ///< head_size is set to width / heads
};

/// What health() returned, gathered over inputs: one entry a layer, empty without a linear
/// attention.
struct EncoderHealth {
  std::vector<AttentionHealth> layers;

  void add(size_t layer, const AttentionHealth& health);
  double min_denominator() const;
  /// Share of features that no key so far has moved off their floor.
  double dead_features() const;
};

class EncoderLayer : public torch::nn::Module {
 public:
  explicit EncoderLayer(const EncoderConfig& config);
  /// x [B, N, width]; key_mask bool [B, N] -> [B, N, width].
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& key_mask,
                     EncoderHealth* health, size_t layer);
  Attention& attention() { return *attention_; }

 private:
  int64_t heads_;
  torch::nn::LayerNorm norm1_, norm2_;
  torch::nn::Linear qkv_, out_, expand_, contract_;
  torch::nn::Dropout dropout_;
  std::shared_ptr<Attention> attention_;
};

class Encoder : public torch::nn::Module {
 public:
  /// Throws c10::Error when heads do not divide the width or the attention is unknown.
  explicit Encoder(const EncoderConfig& config);
  /// ids int64 [B, N], or [B, N, F] whose fields' embeddings add up; 0 (of the first field) is
  /// padding. Logits [B, classes], or [B, N, classes] per token. health, if given, gathers the
  /// state of the attentions. Throws c10::Error when N exceeds the length.
  at::Tensor forward(const at::Tensor& ids, EncoderHealth* health = nullptr);
  /// Samples of every layer's psi, [T, L] each; empty where the attention has none.
  std::vector<at::Tensor> psi(const at::Tensor& t);

 private:
  at::Tensor classify(const at::Tensor& x, const std::optional<at::Tensor>& keep);

  EncoderConfig config_;
  torch::nn::Embedding tokens_{nullptr}, positions_{nullptr};
  std::vector<std::shared_ptr<EncoderLayer>> layers_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear hidden_{nullptr}, classifier_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};

}  // namespace luna::nn
