// Base of the attentions that run through the fused operators: one Spec says which map, the
// derived class supplies its parameters.
#pragma once

#include "runtime/nn/attention.h"
#include "runtime/ops/spec.h"

namespace luna::nn {

class LinearAttention : public Attention {
 public:
  explicit LinearAttention(ops::Spec spec) : spec_(std::move(spec)) {}
  std::optional<AttentionHealth> health(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v,
                                        const std::optional<at::Tensor>& key_mask) override;

 protected:
  /// The feature map's parameters in the order of ops::Inputs::params.
  virtual std::vector<at::Tensor> params() const { return {}; }
  ops::Spec spec_;
};

/// Attention with a fixed map. Its trained params are parameters, its drawn ones buffers, by their
/// names, from draw_feature_map(). With config.redraw > 0 the drawn ones are drawn anew after every
/// redraw training passes, from the buffers redraw_seed and passes alone: a module whose buffers
/// are restored goes on with the same bits.
class FixedAttention : public LinearAttention {
 public:
  FixedAttention(const std::string& feature_map, const AttentionConfig& config);
  at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& key_mask) override;

 private:
  std::vector<at::Tensor> params() const override { return params_; }
  void count_pass();
  void draw_anew(uint64_t seed);

  std::vector<at::Tensor> params_;
  AttentionConfig config_;
  at::Tensor redraw_seed_, passes_;  ///< int64 []; undefined where nothing is drawn anew
};

/// How LUNA's psi is built: one MLP 1 -> hid -> L, or L MLPs 1 -> hid -> 1 (the Listing's
/// shared_channels = False).
enum class PsiKind { shared, separate };

/// LUNA attention with the initialisation of the paper's Listing 1: W ~ N(0, 1)/sqrt(d), b = 0,
/// psi's layers as torch's Linear. One map for q and k and for all heads.
class LunaAttention : public LinearAttention {
 public:
  LunaAttention(const AttentionConfig& config, PsiKind kind, double feature_eps);
  at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& key_mask) override;
  std::optional<at::Tensor> psi(const at::Tensor& t) override;

 private:
  std::vector<at::Tensor> params() const override {
    return {proj_weight_, proj_bias_, w1_, b1_, w2_, b2_};
  }
  at::Tensor proj_weight_, proj_bias_, w1_, b1_, w2_, b2_;
};

}  // namespace luna::nn
