#include "runtime/psi/device_pwl.h"

namespace luna::psi {
namespace {

kernels::cuda::PsiUnits with_lines(const MlpParams& units, const PiecewiseLinear& activation) {
  kernels::cuda::PsiUnits out{units.w1, units.b1, units.w2, units.b2, {}};
  out.act.count = static_cast<int32_t>(activation.knots());
  TORCH_INTERNAL_ASSERT(out.act.count <= kMostBreaks, activation.name);
  std::copy(activation.breaks.begin(), activation.breaks.end(), out.act.breaks);
  for (size_t k = 0; k < activation.lines.size(); ++k) {
    out.act.slope[k] = activation.lines[k].slope;
    out.act.offset[k] = activation.lines[k].offset;
  }
  return out;
}

}  // namespace

bool DevicePwl::takes(const MlpParams& units, const PiecewiseLinear& activation) {
  return kernels::cuda::has_psi_table(with_lines(units, activation));
}

DevicePwl::DevicePwl(const MlpParams& units, const PiecewiseLinear& activation)
    : units_(with_lines(units, activation)), knots_(kernels::cuda::psi_knots(units_)) {}

void DevicePwl::fold(const Fold& fold, kernels::MapArgs& args) const {
  args.map = "pwl";
  args.L = L();
  args.floor = fold.floor;
  args.knots = knots_.knots;
  args.table = kernels::cuda::psi_table(units_, knots_, fold.scale, fold.shift);
}

std::vector<at::Tensor> DevicePwl::gradients(const std::vector<FoldedGrads>& parts) const {
  std::vector<kernels::cuda::PsiTableSums> tables;
  for (const auto& [scale, grads] : parts) tables.push_back({grads.g0, grads.g1, scale});
  return kernels::cuda::psi_gradient(units_, knots_, tables);
}

}  // namespace luna::psi
