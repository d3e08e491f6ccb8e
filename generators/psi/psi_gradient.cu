// Gradients of psi's parameters from those of its table, a block a unit, and one for b2. With sum0
// and sum1 the sums of g0 (of dpsi) and g1 (of dpsi t) over the segments that unit u is on in, in
// float64: dw2_lu = w1_u sum1 + b1_u sum0, dw1_u = sum_l w2_lu sum1, db1_u = sum_l w2_lu sum0.
#include "generators/psi/units.cuh"

namespace luna::psi {
namespace {

class UnitGradient {
 public:
  __device__ UnitGradient(const GradientArguments& a, int u)
      : a_(a), u_(u), warp_(threadIdx.x / kWarpLanes), lane_(threadIdx.x % kWarpLanes) {}

  /// parts: w1's and b1's of every warp's channels.
  __device__ void run(double (*parts)[2]) {
    const Units& units = a_.units;
    const int own = separate(units) ? u_ / units.hid : 0;
    const int channels = separate(units) ? 1 : units.L;
    const auto [first, last] = active_segments(units, u_, rank());
    double w1 = 0.0, b1 = 0.0;
    for (int l = own + warp_; l < own + channels; l += kChannelWarps) {
      const double sum0 = sum(&TableSums::g0, first, last, l);
      const double sum1 = sum(&TableSums::g1, first, last, l);
      const int index = l * units.hid + u_ - first_unit(units, l);
      const bool on = first < last;  // else nothing, also of a weight that is not finite
      w1 += on ? units.w2[index] * sum1 : 0.0;
      b1 += on ? units.w2[index] * sum0 : 0.0;
      if (lane_ == 0) a_.w2[index] = on ? units.w1[u_] * sum1 + units.b1[u_] * sum0 : 0.0;
    }
    if (lane_ == 0) parts[warp_][0] = w1, parts[warp_][1] = b1;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (int warp = 1; warp < kChannelWarps; warp++) {
      w1 += parts[warp][0];
      b1 += parts[warp][1];
    }
    a_.w1[u_] = w1;
    a_.b1[u_] = b1;
  }

  __device__ void run_b2() {
    for (int l = warp_; l < a_.units.L; l += kChannelWarps) {
      const double total = sum(&TableSums::g0, 0, a_.units.count + 1, l);
      if (lane_ == 0) a_.b2[l] = total;
    }
  }

 private:
  /// Knots before that of the unit, by a warp.
  __device__ int rank() const {
    const float own = knot_of(a_.units, u_);
    int rank = 0;
    for (int first = 0; first < a_.units.count; first += kWarpLanes) {
      const int v = first + lane_;
      const bool is = v < a_.units.count && before(knot_of(a_.units, v), v, own, u_);
      rank += __popc(__ballot_sync(~0u, is));
    }
    return rank;
  }

  /// Of a channel over segments first .. last - 1 and both sides, by a warp.
  __device__ double sum(const double* TableSums::*g, int first, int last, int l) const {
    double total = 0.0;
    for (int s = first + lane_; s < last; s += kWarpLanes) {
      const int64_t at = int64_t{s} * a_.units.L + l;
      for (const TableSums& side : a_.sides) total += side.scale * (side.*g)[at];
    }
    return sum_of_warp(total);
  }

  const GradientArguments& a_;
  const int u_, warp_, lane_;
};

}  // namespace

extern "C" __global__ void __launch_bounds__(kChannelWarps* kWarpLanes)
    LUNA_KERNEL(const __grid_constant__ GradientArguments arguments) {
  __shared__ double parts[kChannelWarps][2];
  const int u = blockIdx.x;
  UnitGradient gradient(arguments, u);
  u < arguments.units.count ? gradient.run(parts) : gradient.run_b2();
}

}  // namespace luna::psi
