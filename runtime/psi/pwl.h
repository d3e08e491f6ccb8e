// Exact evaluation of a psi with a piecewise-linear activation as a table of segments.
#pragma once

#include "runtime/psi/activation.h"
#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// Unit u has a knot where w1_u t + b1_u is a break of the activation; one with w1_u = 0 or
/// an infinite b1_u lies on one line and has none. Knots are rounded up to float32, which leaves
/// every float32 t on its true side. On a knot itself the right-hand segment holds: the subgradient
/// of a ReLU unit with w1 > 0 is 1 there (torch: 0), of one with w1 < 0 it is 0.
class Pwl : public HostPsi {
 public:
  Pwl(Weights weights, const PiecewiseLinear& activation);

  void fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const override;
  void unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const override;

  const SegmentTable& table() const { return table_; }

 private:
  /// act(w1 t + b1) of a unit is this line of its argument on segments [first, last).
  struct Piece {
    int64_t unit, first, last;
    Line line;
  };

  void sort_knots(const PiecewiseLinear& activation);
  void cut_into_pieces(const PiecewiseLinear& activation,
                       const std::vector<int64_t>& begin_of_knot);
  void add_pieces();
  void add_constants();

  SegmentTable table_;
  std::vector<Piece> pieces_;  // without those that are zero
};

}  // namespace luna::psi
