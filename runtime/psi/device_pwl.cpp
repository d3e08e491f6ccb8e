#include "runtime/psi/device_pwl.h"

#include <algorithm>

namespace luna::psi {
namespace {

double only_scale(const Fold& fold) {
  const double scale = fold.scale.at(0);
  TORCH_INTERNAL_ASSERT(std::all_of(fold.scale.begin(), fold.scale.end(),
                                    [&](double other) { return other == scale; }),
                        "channels of several scales");
  return scale;
}

}  // namespace

void DevicePwl::fold(const Fold& fold, const at::Tensor&, kernels::MapArgs& args) const {
  auto [knots, table] = kernels::cuda::psi_table(units_, only_scale(fold), fold.shift);
  args.map = "pwl";
  args.L = L();
  args.floor = fold.floor;
  args.knots = std::move(knots);
  args.table = std::move(table);
}

void DevicePwl::unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const {
  sum.tables.push_back({grads.g0, grads.g1, only_scale(fold)});
}

std::vector<at::Tensor> DevicePwl::tensors(const Gradient& sum, const at::Tensor&) const {
  TORCH_INTERNAL_ASSERT(sum.tables.size() == 2, "the sums of queries and of keys");
  return kernels::cuda::psi_gradient(units_, sum.tables[0], sum.tables[1]);
}

}  // namespace luna::psi
