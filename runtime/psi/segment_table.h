// A function R -> R^L that is linear between knots, as the kernels read it, and the sums that its
// gradient comes back in.
#pragma once

#include <vector>

#include "runtime/psi/psi.h"

namespace luna::psi {

/// The smallest float32 >= value: on or right of it are the float32 that are on or right of value.
float round_up(double value);

/// f_l(t) = slope[s, l] t + intercept[s, l] on segment s = #{knots <= t}.
struct SegmentTable {
  int64_t L = 0;
  std::vector<float> knots;                        ///< [K], ascending
  std::vector<double> slope = {}, intercept = {};  ///< [K + 1, L]

  int64_t segments() const { return static_cast<int64_t>(knots.size()) + 1; }

  /// Fills the psi part of MapArgs on the device of like.
  void fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const;
};

/// Gradients of the unscaled table, [K + 1, L]: of slope and of intercept.
struct TableGradient {
  std::vector<double> slope, intercept;
};

/// A psi that is a table made from parameters.
class TablePsi {
 public:
  virtual ~TablePsi() = default;
  const SegmentTable& table() const { return table_; }
  /// Gradients of the parameters, float64, flat, in their order; empty for those without one.
  virtual std::vector<std::vector<double>> gradients(const TableGradient& grad) const = 0;

 protected:
  SegmentTable table_;
};

/// From the kernels' g0 and g1. scale: adds the gradient of Fold::scale [L], where given.
TableGradient table_gradient(const SegmentTable& table, const Fold& fold,
                             const kernels::MapGrads& grads, std::vector<double>* scale = nullptr);

}  // namespace luna::psi
