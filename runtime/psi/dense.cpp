#include "runtime/psi/dense.h"

namespace luna::psi {

at::Tensor Dense::second_layer(const at::Tensor& matrix) const {
  if (!units_.separate()) return matrix;
  return matrix.unflatten(1, {L(), units_.hid()}).diagonal(0, 0, 1).t();
}

void Dense::fold(const Fold& fold, kernels::MapArgs& args) const {
  args.map = "dense_" + activation_;
  args.L = L();
  args.floor = fold.floor;
  args.w1 = units_.w1.flatten().contiguous();
  args.b1 = units_.b1.flatten().contiguous();
  args.w2 = at::zeros({L(), units_.count()}, units_.w2.options());
  second_layer(args.w2).copy_(fold.scale.unsqueeze(1) * units_.w2);
  args.b2 = (fold.scale * units_.b2).add_(fold.shift).to(at::kFloat);
}

std::vector<at::Tensor> Dense::gradients(const std::vector<FoldedGrads>& parts) const {
  const auto zeros = [](const at::Tensor& x) {
    return at::zeros(x.sizes(), x.options().dtype(at::kDouble));
  };
  at::Tensor w1 = zeros(units_.w1), b1 = zeros(units_.b1), w2 = zeros(units_.w2),
             b2 = zeros(units_.b2);
  for (const auto& [scale, grads] : parts) {
    w1.add_(grads.w1.reshape(w1.sizes()));
    b1.add_(grads.b1.reshape(b1.sizes()));
    w2.addcmul_(scale.unsqueeze(1), second_layer(grads.w2).to(at::kDouble));
    b2.addcmul_(scale, grads.b2.to(at::kDouble));
  }
  return {w1.to(at::kFloat), b1.to(at::kFloat), w2.to(at::kFloat), b2.to(at::kFloat)};
}

}  // namespace luna::psi
