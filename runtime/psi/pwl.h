// Exact piecewise-linear evaluation of a ReLU psi: psi_l(t) = a[s, l] t + c[s, l] on segment s =
// #{knots <= t}.
#pragma once

#include "runtime/psi/psi.h"

namespace luna::psi {

/// Unit u has its knot at -b1_u / w1_u; one with w1_u = 0 is constant and has none. Knots are
/// rounded up to float32, which leaves every float32 t on its true side. On a knot itself the
/// right-hand segment holds: the subgradient of a unit with w1 > 0 is 1 there (torch: 0), of one
/// with w1 < 0 it is 0.
class Pwl : public Psi {
 public:
  explicit Pwl(Weights weights);

  void fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const override;
  void unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const override;

  int64_t segments() const { return static_cast<int64_t>(knots_.size()) + 1; }
  const std::vector<float>& knots() const { return knots_; }
  double slope(int64_t s, int64_t l) const { return slope_[s * weights_.L + l]; }
  double intercept(int64_t s, int64_t l) const { return intercept_[s * weights_.L + l]; }

 private:
  void sort_knots();
  void add_constant_units();
  void sum_rows();
  /// Gradient of unit u from the sums of dpsi and dpsi t over the segments where it is active, [L]
  /// each.
  void add_unit(int64_t u, const double* sum0, const double* sum1, Gradient& sum) const;

  std::vector<float> knots_;       // [K], ascending
  std::vector<int64_t> order_;     // [K], unit of each knot
  std::vector<int64_t> constant_;  // units without a knot that are active everywhere
  std::vector<double> slope_;      // [K + 1, L]
  std::vector<double> intercept_;  // [K + 1, L]
};

}  // namespace luna::psi
