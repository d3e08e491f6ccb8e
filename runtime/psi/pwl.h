// Exact evaluation of a psi with a piecewise-linear activation as a table of segments.
#pragma once

#include "runtime/psi/activation.h"
#include "runtime/psi/mlp_params.h"
#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// Host copy of psi's parameters as L x hid units. Shared psi: w1, b1 [hid]; separate psi: [L,
/// hid].
struct Weights {
  /// From tensors on any device.
  explicit Weights(const MlpParams& tensors);

  int64_t L, hid;
  bool separate;
  int64_t units;                       ///< hid, or L hid: scalar units act(w1 t + b1)
  std::vector<double> w1, b1, w2, b2;  ///< [units], [units], [L hid], [L]

  /// Channels that unit u feeds: all of them, or its own.
  int64_t first_channel(int64_t u) const { return separate ? u / hid : 0; }
  int64_t last_channel(int64_t u) const { return separate ? u / hid + 1 : L; }
  /// Index into w2 of unit u's weight in channel l.
  int64_t w2_index(int64_t l, int64_t u) const { return l * hid + (separate ? u % hid : u); }
};

/// Unit u has a knot where w1_u t + b1_u is a break of the activation; one with w1_u = 0 or
/// an infinite b1_u lies on one line and has none. Knots are rounded up to float32, which leaves
/// every float32 t on its true side. On a knot itself the right-hand segment holds: the subgradient
/// of a ReLU unit with w1 > 0 is 1 there (torch: 0), of one with w1 < 0 it is 0.
class Pwl : public TablePsi {
 public:
  Pwl(const MlpParams& units, const PiecewiseLinear& activation);

  std::vector<at::Tensor> unfold(const at::Tensor& lines) const override;

  const Weights& weights() const { return weights_; }

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

  Weights weights_;
  std::vector<Piece> pieces_;  // without those that are zero
};

}  // namespace luna::psi
