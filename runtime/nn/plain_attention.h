// Attentions without a feature map: softmax, and the control that looks at nothing.
#pragma once

#include "runtime/nn/attention.h"

namespace luna::nn {

/// softmax(q k^T / sqrt(d)) v by torch's scaled_dot_product_attention.
class SoftmaxAttention : public Attention {
 public:
  at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& key_mask) override;
};

/// Uniform attention: every query gets the mean of v over unmasked keys.
class MeanAttention : public Attention {
 public:
  at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& key_mask) override;
};

}  // namespace luna::nn
