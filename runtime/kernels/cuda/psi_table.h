// LUNA's psi of ReLU units made a table, and the table's gradient taken apart, on the device
// (generators/psi): a launch each, and nothing waits.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace luna::kernels::cuda {

/// psi_l(t) = b2_l + sum_u w2_lu relu(w1_u t + b1_u): float32 tensors w1, b1 ([hid] or, a channel's
/// own, [L, hid]), w2 [L, hid], b2 [L].
struct PsiUnits {
  at::Tensor w1, b1, w2, b2;
};

/// MapArgs' of scale psi + shift, with a knot for every unit: +inf where it has none.
struct PsiTable {
  at::Tensor knots, table;
};

/// MapGrads' g0 and g1 of such a table, where psi was multiplied by scale.
struct PsiTableSums {
  at::Tensor g0, g1;
  double scale;
};

/// Whether the kernels are built and take units like these.
bool has_psi_table(const PsiUnits& units);

PsiTable psi_table(const PsiUnits& units, double scale, double shift);

/// Gradients of w1, b1, w2 and b2 from the queries' and the keys' sums, float32.
std::vector<at::Tensor> psi_gradient(const PsiUnits& units, const PsiTableSums& queries,
                                     const PsiTableSums& keys);

}  // namespace luna::kernels::cuda
