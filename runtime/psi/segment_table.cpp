#include "runtime/psi/segment_table.h"

#include <algorithm>
#include <cmath>

namespace luna::psi {

float round_up(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? std::nextafter(rounded, std::numeric_limits<float>::infinity())
                         : rounded;
}

void SegmentTable::fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const {
  at::Tensor sorted = at::empty({static_cast<int64_t>(knots.size())}, at::kFloat);
  std::copy(knots.begin(), knots.end(), sorted.mutable_data_ptr<float>());
  at::Tensor table = at::empty({segments(), 2, L}, at::kDouble);
  double* row = table.mutable_data_ptr<double>();
  for (int64_t s = 0; s < segments(); ++s, row += 2 * L) {
    for (int64_t l = 0; l < L; ++l) {
      row[l] = fold.scale[l] * slope[s * L + l];
      row[L + l] = fold.scale[l] * intercept[s * L + l] + fold.shift;
    }
  }
  args.map = "pwl";
  args.L = L;
  args.floor = fold.floor;
  args.knots = sorted.to(like.device());
  args.table = table.to(like.device());
}

TableGradient table_gradient(const SegmentTable& table, const Fold& fold,
                             const kernels::MapGrads& grads, std::vector<double>* scale) {
  std::vector<std::vector<double>> host = to_host({grads.g0, grads.g1});
  TableGradient out{std::move(host[1]), std::move(host[0])};
  for (size_t i = 0; i < out.slope.size(); ++i) {
    const size_t l = i % table.L;
    if (scale) {
      (*scale)[l] += table.slope[i] * out.slope[i] + table.intercept[i] * out.intercept[i];
    }
    out.slope[i] *= fold.scale[l];
    out.intercept[i] *= fold.scale[l];
  }
  return out;
}

}  // namespace luna::psi
