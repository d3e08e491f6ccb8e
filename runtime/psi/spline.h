// psi as linear splines: values at fixed knots.
#pragma once

#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// Psi_l is linear between the knots, where it has the values, and goes on as its outer segments
/// beyond them. A value that is not finite spoils its channel everywhere.
class Spline {
 public:
  /// knots [K], K >= 2, values [L, K], float32, any device. Throws c10::ValueError unless the knots
  /// are finite and rise strictly.
  Spline(const at::Tensor& knots, const at::Tensor& values);

  const SegmentTable& table() const { return table_; }

  /// Gradient of the values, [L, K].
  std::vector<double> gradient(const TableGradient& grad) const;

 private:
  std::vector<double> knots_;  // all K; the outer two begin no segment
  SegmentTable table_;
};

}  // namespace luna::psi
