// Units of psi: their channels, and which line of the activation they are on; and the sum that a
// warp makes of its lanes.
#pragma once

#include <cmath>

#include "generators/psi/arguments.h"

namespace luna::psi {

__device__ inline bool separate(const Units& units) { return units.count != units.hid; }
/// The first unit of a channel, which has hid of them.
__device__ inline int first_unit(const Units& units, int l) {
  return separate(units) ? l * units.hid : 0;
}

__device__ inline int knots_of(const Units& units) { return units.count * units.act.count; }
__device__ inline bool rises(const Units& units, int u) { return units.w1[u] > 0; }

/// One of the first numbers of a parameter of the kernel, without an index into it.
__device__ inline double pick(const double* of, int k) {
  return k == 0 ? of[0] : (k == 1 ? of[1] : of[2]);
}

/// act(w1 t + b1) = slope w1 t + at_zero.
struct Line {
  double slope, at_zero;
  __device__ bool zero() const { return slope == 0.0 && at_zero == 0.0; }
};

/// The line of unit u behind p of its breaks.
__device__ inline Line line_of(const Units& units, int u, int p) {
  const int k = rises(units, u) ? p : units.act.count - p;
  const double slope = pick(units.act.slope, k), offset = pick(units.act.offset, k);
  return {slope, (slope == 0.0 ? 0.0 : slope * units.b1[u]) + offset};
}

/// The segment from which on unit u has passed p breaks, 0 <= p <= breaks + 1.
__device__ inline int begin_of(const Units& units, const int32_t* begins, int u, int p) {
  if (p == 0) return 0;
  return p > units.act.count ? knots_of(units) + 1 : begins[u * units.act.count + p - 1];
}

/// By halves, in the same order always. Lane 0 has the sum.
__device__ inline double sum_of_warp(double x) {
#pragma unroll
  for (int step = kWarpLanes / 2; step > 0; step /= 2) x += __shfl_down_sync(~0u, x, step);
  return x;
}

}  // namespace luna::psi
