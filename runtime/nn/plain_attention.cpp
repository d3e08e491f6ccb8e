#include "runtime/nn/plain_attention.h"

#include <ATen/ATen.h>

namespace luna::nn {

at::Tensor SoftmaxAttention::forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                     const std::optional<at::Tensor>& key_mask) {
  if (!key_mask) return at::scaled_dot_product_attention(q, k, v);
  // A masked token's NaN would come through 0 * NaN.
  const at::Tensor keep = key_mask->unsqueeze(1).unsqueeze(-1);  // [B, 1, N, 1]
  const at::Tensor zero = at::zeros({}, k.options());
  return at::scaled_dot_product_attention(q, at::where(keep, k, zero), at::where(keep, v, zero),
                                          keep.transpose(2, 3));
}

at::Tensor MeanAttention::forward(const at::Tensor& q, const at::Tensor&, const at::Tensor& v,
                                  const std::optional<at::Tensor>& key_mask) {
  if (!key_mask) return v.mean(2, /*keepdim=*/true).expand_as(q);
  const at::Tensor keep = key_mask->unsqueeze(1).unsqueeze(-1);  // [B, 1, N, 1]
  const at::Tensor sum = at::where(keep, v, at::zeros_like(v)).sum(2, /*keepdim=*/true);
  return (sum / keep.sum(2, /*keepdim=*/true).clamp_min(1)).expand_as(q);
}

}  // namespace luna::nn
