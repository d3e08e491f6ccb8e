#include "runtime/kernels/token_weights.h"

namespace luna::kernels {

at::Tensor query_weight_gradient(const Problem& p, const Forward& saved, const at::Tensor& grad) {
  const at::Tensor raw = saved.den + p.denominator.add;
  const at::Tensor clamped = raw < p.denominator.clamp;
  const at::Tensor share = at::where(clamped, at::ones_like(raw), p.denominator.add / raw);
  const at::Tensor s = (saved.o * grad).sum(-1);
  return at::where(p.q_weight == 0, at::zeros_like(s), s * share / p.q_weight);
}

at::Tensor key_weight_gradient(const Problem& p, const at::Tensor& power) {
  return at::where(p.k_weight == 0, at::zeros_like(power), power / p.k_weight);
}

}  // namespace luna::kernels
