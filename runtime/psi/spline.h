// psi as linear splines: values at fixed knots.
#pragma once

#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// Throws c10::ValueError unless the knots are finite and rise strictly, by 3e-39 at the least. op:
/// the name that its message begins with.
void check_knots(const char* op, const at::Tensor& knots);

/// Psi_l is linear between the knots, where it has the values, and goes on as its outer segments
/// beyond them. A value that is not finite spoils its channel everywhere. In ATen, where the
/// parameters are. Knots on the host are checked; on a device, which the host does not wait for,
/// knots that check_knots refuses make psi NaN.
class Spline : public TablePsi {
 public:
  /// knots [K], K >= 2, values [L, K], float32; op: check_knots'.
  Spline(const char* op, const at::Tensor& knots, const at::Tensor& values);

  /// Of the values, [L, K]; knots have none.
  std::vector<at::Tensor> unfold(const at::Tensor& lines) const override;

 private:
  at::Tensor begin_, end_;  // [K - 1, 1] float64, of segments; the outer two are prolonged
};

}  // namespace luna::psi
