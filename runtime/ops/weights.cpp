#include "runtime/ops/weights.h"

namespace luna::ops {

at::Tensor token_weight(const at::Tensor& x, const std::string& envelope,
                        const std::optional<at::Tensor>& mask) {
  at::Tensor weight;
  // The exponent in float64: exp turns its absolute error into a relative one.
  if (envelope == "exp") {
    weight = x.to(at::kFloat).square().sum(-1, false, at::kDouble).mul_(-0.5).exp_().to(at::kFloat);
  }
  if (envelope == "norm") weight = x.norm(2, -1, false, at::kFloat);
  if (!mask) return weight.defined() ? weight.contiguous() : weight;
  const at::Tensor keep = mask->unsqueeze(1).expand({x.size(0), x.size(1), x.size(2)});
  if (weight.defined()) weight.masked_fill_(keep.logical_not(), 0.0);
  return (weight.defined() ? weight : keep.to(at::kFloat)).contiguous();
}

at::Tensor envelope_gradient(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& grad_weight, const std::string& envelope) {
  // exp: dh/dx = -h x; norm: dh/dx = x / h.
  const at::Tensor rate = envelope == "exp" ? -grad_weight * weight : grad_weight / weight;
  const at::Tensor selected = (weight == 0).unsqueeze(-1);
  return (rate.unsqueeze(-1) * x).masked_fill_(selected, 0.0);
}

}  // namespace luna::ops
