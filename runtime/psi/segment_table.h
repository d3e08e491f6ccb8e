// A function R -> R^L that is linear between knots, as the kernels read it, and how the gradients
// of its lines become those of what it was made from.
#pragma once

#include <vector>

#include "runtime/psi/psi.h"

namespace luna::psi {

/// The smallest float32 >= value: on or right of it are the float32 that are on or right of value.
float round_up(double value);
at::Tensor round_up(const at::Tensor& values);

/// f_l(t) = lines[s, 0, l] t + lines[s, 1, l] on segment s = #{knots <= t}.
struct SegmentTable {
  at::Tensor knots;  ///< [K] float32, ascending; +inf where there is none
  at::Tensor lines;  ///< [K + 1, 2, L] float64: slopes, then intercepts

  int64_t L() const { return lines.size(2); }
  int64_t segments() const { return lines.size(0); }
};

/// A psi that is a table, which a subclass makes of parameters where they are, or on the host of
/// those of a device.
class TablePsi : public Psi {
 public:
  const SegmentTable& table() const { return table_; }

  int64_t L() const override { return table_.L(); }
  void fold(const Fold& fold, kernels::MapArgs& args) const override;
  std::vector<at::Tensor> gradients(const std::vector<FoldedGrads>& parts) const override;

  /// Gradients of the parameters from those of the lines [K + 1, 2, L]; float64, on the device of
  /// the table.
  virtual std::vector<at::Tensor> unfold(const at::Tensor& lines) const = 0;

 protected:
  SegmentTable table_;
};

}  // namespace luna::psi
