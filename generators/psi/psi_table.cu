// psi as a table of segments (runtime/psi/pwl.h), a block a segment: every block finds the order of
// all knots by counting, then sums the units that are on in its segment, in float64. Units that are
// off are left out, not subtracted: a huge one leaves no rounding error where it is off.
#include "generators/psi/units.cuh"

namespace luna::psi {
namespace {

class Table {
 public:
  __device__ Table(const TableArguments& a, float* knots, int2* active)
      : a_(a), knots_(knots), active_(active), segment_(blockIdx.x) {}

  __device__ void run() {
    const Units& units = a_.units;
    for (int u = threadIdx.x; u < units.count; u += blockDim.x) knots_[u] = knot_of(units, u);
    __syncthreads();
    for (int u = threadIdx.x; u < units.count; u += blockDim.x) {
      const int rank = rank_of(u);
      active_[u] = active_segments(units, u, rank);
      if (segment_ == 0) a_.knots[rank] = knots_[u];
    }
    __syncthreads();
    for (int l = threadIdx.x / kWarpLanes; l < units.L; l += kChannelWarps) sum(l);
  }

 private:
  __device__ int rank_of(int u) const {
    int rank = 0;
    for (int v = 0; v < a_.units.count; v++) rank += before(knots_[v], v, knots_[u], u);
    return rank;
  }

  /// One channel's line, by a warp. A weight that is not finite and a bias that is NaN spoil the
  /// channel in every segment, as Pwl::add_constants has it.
  __device__ void sum(int l) const {
    const Units& units = a_.units;
    const int lane = threadIdx.x % kWarpLanes, first = first_unit(units, l);
    double slope = 0.0, intercept = 0.0, spoilt = 0.0;
    for (int i = lane; i < units.hid; i += kWarpLanes) {
      const int u = first + i;
      const double w1 = units.w1[u], b1 = units.b1[u], w2 = units.w2[l * units.hid + i];
      spoilt += 0.0 * (w2 + w1 + (isnan(b1) ? b1 : 0.0));
      if (segment_ < active_[u].x || segment_ >= active_[u].y) continue;
      slope += w2 * w1;
      intercept += w2 * b1;
    }
    slope = sum_of_warp(slope);
    intercept = sum_of_warp(intercept) + (units.b2[l] + sum_of_warp(spoilt));
    if (lane > 0) return;
    double* const row = a_.table + int64_t{segment_} * 2 * units.L;
    row[l] = a_.scale * slope;
    row[units.L + l] = a_.scale * intercept + a_.shift;
  }

  const TableArguments& a_;
  float* const knots_;
  int2* const active_;
  const int segment_;
};

}  // namespace

extern "C" __global__ void __launch_bounds__(kChannelWarps* kWarpLanes)
    LUNA_KERNEL(const __grid_constant__ TableArguments arguments) {
  __shared__ float knots[kMostTableUnits];
  __shared__ int2 active[kMostTableUnits];
  Table(arguments, knots, active).run();
}

}  // namespace luna::psi
