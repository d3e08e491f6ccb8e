#include "runtime/psi/segment_table.h"

#include <cmath>

namespace luna::psi {

float round_up(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? std::nextafter(rounded, std::numeric_limits<float>::infinity())
                         : rounded;
}

at::Tensor round_up(const at::Tensor& values) {
  const at::Tensor rounded = values.to(at::kFloat);
  const at::Tensor next =
      at::nextafter(rounded, at::full_like(rounded, std::numeric_limits<float>::infinity()));
  return at::where(rounded < values, next, rounded);
}

void TablePsi::fold(const Fold& fold, kernels::MapArgs& args) const {
  at::Tensor table = table_.lines * fold.scale.to(table_.lines.device());
  table.select(1, 1).add_(fold.shift);
  args.map = "pwl";
  args.L = L();
  args.floor = fold.floor;
  args.knots = table_.knots.to(args.proj.device());
  args.table = table.to(args.proj.device());
}

std::vector<at::Tensor> TablePsi::gradients(const std::vector<FoldedGrads>& parts) const {
  const c10::Device device = parts[0].grads.g0.device();
  at::Tensor lines = at::zeros(table_.lines.sizes(), parts[0].grads.g0.options());
  for (const auto& [scale, grads] : parts) {
    lines.select(1, 0).addcmul_(grads.g1, scale);
    lines.select(1, 1).addcmul_(grads.g0, scale);
  }
  std::vector<at::Tensor> own = unfold(lines.to(table_.lines.device()));
  for (at::Tensor& grad : own) {
    if (grad.defined()) grad = grad.to(device, at::kFloat);
  }
  return own;
}

}  // namespace luna::psi
