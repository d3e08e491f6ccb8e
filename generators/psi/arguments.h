// What the kernels of this folder are launched with: shared with the launcher
// (runtime/kernels/cuda/psi_pipelines.cpp). Plain data.
#pragma once

#include <cstdint>

namespace luna::psi {

constexpr int kWarpLanes = 32;
constexpr int kChannelWarps = 8;  ///< of a block: each sums a channel at a time
constexpr int kPsiThreads = kChannelWarps * kWarpLanes;
constexpr int kMostBreaks = 2;
constexpr int kMostSides = 4;  ///< tables whose gradients come together

/// act(x) = slope[k] x + offset[k], k = #{breaks < x} of `count` ascending breaks.
struct Lines {
  int32_t count;
  double breaks[kMostBreaks];
  double slope[kMostBreaks + 1], offset[kMostBreaks + 1];
};

/// psi_l(t) = b2_l + sum_u w2_lu act(w1_u t + b1_u) over the units of channel l: all of them, or
/// `hid` of its own where count = L hid.
struct Units {
  const float *w1, *b1, *w2, *b2;  ///< [count], [count], [L, hid], [L]
  int32_t count, L, hid;
  Lines act;
};

/// Knot u breaks + p is the p-th break that unit u passes as t rises. knots [count breaks]
/// ascending, +inf for one that is not finite; begins [count breaks]: the segment from which on the
/// unit has passed that break.
struct KnotsArguments {
  Units units;
  float* knots;
  int32_t* begins;
};

/// table [count breaks + 1, 2, L]: slopes, then intercepts, of scale_l psi_l + shift.
struct TableArguments {
  Units units;
  const int32_t* begins;
  const double* scale;  ///< [L]
  double* table;
  double shift;
};

/// Gradients of a table's intercepts and slopes, [count breaks + 1, L], where psi was multiplied by
/// scale.
struct TableSums {
  const double *g0, *g1, *scale;
};

/// Gradients of the units' parameters from those of the first `tables` tables.
struct GradientArguments {
  Units units;
  const int32_t* begins;
  TableSums sides[kMostSides];
  int32_t tables;
  float *w1, *b1, *w2, *b2;
};

}  // namespace luna::psi
