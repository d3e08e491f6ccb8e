// Units of psi: their channels, knots and the segments that they are on in; and the sum that a warp
// makes of its lanes.
#pragma once

#include <cmath>

#include "generators/psi/arguments.h"

namespace luna::psi {

__device__ inline bool separate(const Units& units) { return units.count != units.hid; }
/// The first unit of a channel, which has hid of them.
__device__ inline int first_unit(const Units& units, int l) {
  return separate(units) ? l * units.hid : 0;
}

/// Where unit u turns on or off; not finite: nowhere.
__device__ inline double crossing(const Units& units, int u) {
  return -static_cast<double>(units.b1[u]) / units.w1[u];
}

/// The crossing rounded up to float32; +inf where there is none.
__device__ inline float knot_of(const Units& units, int u) {
  const double at = crossing(units, u);
  return isfinite(at) ? __double2float_ru(at) : INFINITY;
}

/// Whether the knot of unit v is sorted before that of u. Those at +inf come last, in any order: no
/// t lies between them.
__device__ inline bool before(float knot_v, int v, float knot_u, int u) {
  return knot_v < knot_u || (knot_v == knot_u && v < u);
}

/// The first segment that unit u is on in, and the one behind the last; rank: knots before its own.
/// A unit without a crossing is on everywhere or nowhere, by its bias.
__device__ inline int2 active_segments(const Units& units, int u, int rank) {
  const int segments = units.count + 1;
  if (!isfinite(crossing(units, u))) return make_int2(0, units.b1[u] > 0 ? segments : 0);
  return units.w1[u] > 0 ? make_int2(rank + 1, segments) : make_int2(0, rank + 1);
}

/// By halves, in the same order always. Every lane has the sum.
__device__ inline double sum_of_warp(double x) {
#pragma unroll
  for (int step = kWarpLanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(~0u, x, step);
  return x;
}

}  // namespace luna::psi
