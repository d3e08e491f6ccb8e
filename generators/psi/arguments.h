// What psi_table.cu and psi_gradient.cu are launched with: shared with the launcher
// (runtime/kernels/cuda/psi_pipelines.cpp). Plain data.
#pragma once

#include <cstdint>

namespace luna::psi {

constexpr int kWarpLanes = 32;
constexpr int kChannelWarps = 8;       ///< of a block: each sums a channel at a time
constexpr int kMostTableUnits = 1024;  ///< whose knots a block keeps in shared memory

/// psi_l(t) = b2_l + sum_u w2_lu max(w1_u t + b1_u, 0) over the units of channel l: all of them, or
/// `hid` of its own where count = L hid.
struct Units {
  const float *w1, *b1, *w2, *b2;  ///< [count], [count], [L, hid], [L]
  int32_t count, L, hid;
};

/// Knots [count] ascending, +inf for a unit without one; table [count + 1, 2, L]: slopes, then
/// intercepts, of scale psi + shift.
struct TableArguments {
  Units units;
  float* knots;
  double* table;
  double scale, shift;
};

/// Gradients of a table's intercepts and slopes, [count + 1, L], where psi was multiplied by scale.
struct TableSums {
  const double *g0, *g1;
  double scale;
};

/// Gradients of the units' parameters from those of the table, of queries and of keys.
struct GradientArguments {
  Units units;
  TableSums sides[2];
  float *w1, *b1, *w2, *b2;
};

}  // namespace luna::psi
