#include "runtime/psi/spline.h"

#include <cmath>
#include <numeric>

namespace luna::psi {

void check_knots(const std::vector<double>& knots) {
  for (size_t k = 0; k < knots.size(); ++k) {
    TORCH_CHECK_VALUE(std::isfinite(knots[k]), "luna-spline's knots must be finite, got ", knots[k],
                      ".");
    TORCH_CHECK_VALUE(k == 0 || knots[k] > knots[k - 1],
                      "luna-spline's knots must rise strictly, got ", knots[k], " behind ",
                      knots[k - 1], ".");
  }
}

Spline::Spline(const at::Tensor& knots, const at::Tensor& values) {
  std::vector<std::vector<double>> host = to_host({knots, values});
  knots_ = std::move(host[0]);
  check_knots(knots_);
  const int64_t L = values.size(0), K = knots.size(0);
  table_.L = L;
  table_.knots.assign(knots_.begin() + 1, knots_.end() - 1);
  table_.slope.resize((K - 1) * L);
  table_.intercept.resize((K - 1) * L);
  for (int64_t l = 0; l < L; ++l) {
    const double* value = &host[1][l * K];
    const double spoilt = 0.0 * std::accumulate(value, value + K, 0.0);
    for (int64_t s = 0; s + 1 < K; ++s) {
      const double slope = (value[s + 1] - value[s]) / (knots_[s + 1] - knots_[s]);
      table_.slope[s * L + l] = slope;
      table_.intercept[s * L + l] = value[s] - slope * knots_[s] + spoilt;
    }
  }
}

std::vector<std::vector<double>> Spline::gradients(const TableGradient& grad) const {
  const int64_t L = table_.L, K = table_.segments() + 1;
  std::vector<double> values(L * K);
  for (int64_t s = 0; s + 1 < K; ++s) {
    const double begin = knots_[s], end = knots_[s + 1];
    for (int64_t l = 0; l < L; ++l) {
      const double slope = grad.slope[s * L + l], intercept = grad.intercept[s * L + l];
      values[l * K + s] += (end * intercept - slope) / (end - begin);
      values[l * K + s + 1] += (slope - begin * intercept) / (end - begin);
    }
  }
  return {{}, std::move(values)};
}

}  // namespace luna::psi
