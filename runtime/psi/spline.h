// psi as linear splines: values at fixed knots.
#pragma once

#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// Throws c10::ValueError unless the knots are finite and rise strictly.
void check_knots(const std::vector<double>& knots);

/// Psi_l is linear between the knots, where it has the values, and goes on as its outer segments
/// beyond them. A value that is not finite spoils its channel everywhere.
class Spline : public TablePsi {
 public:
  /// knots [K], K >= 2, values [L, K], float32, any device. check_knots() holds.
  Spline(const at::Tensor& knots, const at::Tensor& values);

  /// Of the values, [L, K]; knots have none.
  std::vector<std::vector<double>> gradients(const TableGradient& grad) const override;

 private:
  std::vector<double> knots_;  // all K; the outer two begin no segment
};

}  // namespace luna::psi
