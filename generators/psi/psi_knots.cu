// Knots of psi's units in ascending order, and the segments that they begin, a thread a knot: its
// rank is how many others lie before it.
#include "generators/psi/units.cuh"

namespace luna::psi {
namespace {

/// Where unit u passes its p-th break; not finite: nowhere.
__device__ double crossing(const Units& units, int u, int p) {
  const int k = rises(units, u) ? p : units.act.count - 1 - p;
  return ((k == 0 ? units.act.breaks[0] : units.act.breaks[1]) - units.b1[u]) / units.w1[u];
}

/// A crossing rounded up to float32; +inf where there is none.
__device__ float knot(const Units& units, int i) {
  if (i >= knots_of(units)) return INFINITY;
  const double at = crossing(units, i / units.act.count, i % units.act.count);
  return isfinite(at) ? __double2float_ru(at) : INFINITY;
}

/// Whether knot j is sorted before knot i. Those at +inf come last, in any order: no t lies between
/// them.
__device__ bool before(float knot_j, int j, float knot_i, int i) {
  return knot_j < knot_i || (knot_j == knot_i && j < i);
}

/// A unit that does not reach every break lies on one line, by its bias.
__device__ bool on_one_line(const Units& units, int u) {
  bool reaches = true;
  for (int p = 0; p < units.act.count; p++) reaches = reaches && isfinite(crossing(units, u, p));
  return !reaches;
}

/// How many breaks such a unit is taken to have passed: on a break the flatter line holds.
__device__ int passed(const Units& units, int u) {
  const Lines& act = units.act;
  const double x = units.b1[u];
  int k = 0;
  while (k < act.count && (k == 0 ? act.breaks[0] : act.breaks[1]) < x) k++;
  const bool on_break = k < act.count && (k == 0 ? act.breaks[0] : act.breaks[1]) == x;
  if (on_break && fabs(pick(act.slope, k + 1)) < fabs(pick(act.slope, k))) k++;
  return rises(units, u) ? k : act.count - k;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kPsiThreads)
    LUNA_KERNEL(const __grid_constant__ KnotsArguments arguments) {
  __shared__ float tile[kPsiThreads];
  const Units& units = arguments.units;
  const int count = knots_of(units);
  const int i = static_cast<int>(blockIdx.x) * kPsiThreads + static_cast<int>(threadIdx.x);
  const float own = knot(units, i);
  int rank = 0;
  for (int first = 0; first < count; first += kPsiThreads) {
    __syncthreads();
    tile[threadIdx.x] = knot(units, first + static_cast<int>(threadIdx.x));
    __syncthreads();
    const int last = min(kPsiThreads, count - first);
    for (int j = 0; j < last; j++) rank += before(tile[j], first + j, own, i);
  }
  if (i >= count) return;
  arguments.knots[rank] = own;
  const int u = i / units.act.count, p = i % units.act.count;
  const int on_line = p < passed(units, u) ? 0 : count + 1;
  arguments.begins[i] = on_one_line(units, u) ? on_line : rank + 1;
}

}  // namespace luna::psi
