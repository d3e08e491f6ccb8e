// LUNA's psi of piecewise-linear units made a table, and the table's gradient taken apart, on the
// device (generators/psi): a launch each, and nothing waits.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "generators/psi/arguments.h"

namespace luna::kernels::cuda {

/// psi_l(t) = b2_l + sum_u w2_lu act(w1_u t + b1_u): float32 tensors w1, b1 ([hid] or, a channel's
/// own, [L, hid]), w2 [L, hid], b2 [L].
struct PsiUnits {
  at::Tensor w1, b1, w2, b2;
  psi::Lines act;

  int64_t knots() const { return w1.numel() * act.count; }
};

/// knots [units breaks] float32 ascending, +inf for one that is not finite; begins [units breaks]
/// int32, psi::KnotsArguments'.
struct PsiKnots {
  at::Tensor knots, begins;
};

/// MapGrads' g0 and g1 of a table of scale_l psi_l; scale [L] float64.
struct PsiTableSums {
  at::Tensor g0, g1, scale;
};

/// Whether the kernels are built and take units like these.
bool has_psi_table(const PsiUnits& units);

PsiKnots psi_knots(const PsiUnits& units);

/// MapArgs' table of scale_l psi_l + shift: [knots + 1, 2, L] float64; scale [L] float64.
at::Tensor psi_table(const PsiUnits& units, const PsiKnots& knots, const at::Tensor& scale,
                     double shift);

/// Gradients of w1, b1, w2 and b2, float32, from the sums of one to psi::kMostSides tables.
std::vector<at::Tensor> psi_gradient(const PsiUnits& units, const PsiKnots& knots,
                                     const std::vector<PsiTableSums>& tables);

}  // namespace luna::kernels::cuda
