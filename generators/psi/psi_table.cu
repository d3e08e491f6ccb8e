// psi as a table of segments (runtime/psi/pwl.h), a block a segment: it sums the lines that the
// units are on there, in float64. Units that are off are left out, not subtracted: a huge one
// leaves no rounding error where it is off.
#include "generators/psi/units.cuh"

namespace luna::psi {
namespace {

__device__ Line line_on(const TableArguments& a, int u, int segment) {
  int p = 0;
  while (p < a.units.act.count && begin_of(a.units, a.begins, u, p + 1) <= segment) p++;
  return line_of(a.units, u, p);
}

/// One channel's line, by a warp. A weight that is not finite and a bias that is NaN spoil the
/// channel in every segment, as Pwl::add_constants has it.
__device__ void sum(const TableArguments& a, int segment, int l) {
  const Units& units = a.units;
  const int lane = threadIdx.x % kWarpLanes, first = first_unit(units, l);
  double slope = 0.0, intercept = 0.0, spoilt = 0.0;
  for (int i = lane; i < units.hid; i += kWarpLanes) {
    const int u = first + i;
    const double w1 = units.w1[u], b1 = units.b1[u], w2 = units.w2[l * units.hid + i];
    spoilt += 0.0 * (w2 + w1 + (isnan(b1) ? b1 : 0.0));
    const Line line = line_on(a, u, segment);
    if (line.zero()) continue;
    slope += w2 * (line.slope * w1);
    intercept += w2 * line.at_zero;
  }
  slope = sum_of_warp(slope);
  intercept = sum_of_warp(intercept) + (units.b2[l] + sum_of_warp(spoilt));
  if (lane > 0) return;
  double* const row = a.table + int64_t{segment} * 2 * units.L;
  row[l] = a.scale[l] * slope;
  row[units.L + l] = a.scale[l] * intercept + a.shift;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kPsiThreads)
    LUNA_KERNEL(const __grid_constant__ TableArguments arguments) {
  const int segment = static_cast<int>(blockIdx.x);
  for (int l = threadIdx.x / kWarpLanes; l < arguments.units.L; l += kChannelWarps) {
    sum(arguments, segment, l);
  }
}

}  // namespace luna::psi
