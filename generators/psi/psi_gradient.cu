// Gradients of psi's parameters from those of its tables, a block a unit, and one for b2. With sum0
// and sum1 the sums of g0 (of dpsi) and g1 (of dpsi t) over the segments that unit u is on a line
// in, in float64: dw2_lu = slope w1_u sum1 + at_zero sum0, dw1_u = sum_l slope w2_lu sum1, db1_u =
// sum_l slope w2_lu sum0, summed over its lines.
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
    double w1 = 0.0, b1 = 0.0;
    for (int l = own + warp_; l < own + channels; l += kChannelWarps) add_channel(l, w1, b1);
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
      const double total = sum(&TableSums::g0, 0, knots_of(a_.units) + 1, l);
      if (lane_ == 0) a_.b2[l] = total;
    }
  }

 private:
  /// Nothing of a line of zeros or without a segment, also of a weight that is not finite.
  __device__ void add_channel(int l, double& w1, double& b1) const {
    const Units& units = a_.units;
    const int index = l * units.hid + u_ - first_unit(units, l);
    double w2 = 0.0;
    for (int p = 0; p <= units.act.count; p++) {
      const int first = begin_of(units, a_.begins, u_, p);
      const int last = begin_of(units, a_.begins, u_, p + 1);
      const Line line = line_of(units, u_, p);
      if (line.zero() || first >= last) continue;
      const double sum0 = sum(&TableSums::g0, first, last, l);
      const double sum1 = sum(&TableSums::g1, first, last, l);
      w2 += line.slope * units.w1[u_] * sum1 + line.at_zero * sum0;
      w1 += line.slope * units.w2[index] * sum1;
      b1 += line.slope * units.w2[index] * sum0;
    }
    if (lane_ == 0) a_.w2[index] = w2;
  }

  /// Of a channel over segments first .. last - 1 and all tables, by a warp.
  __device__ double sum(const double* TableSums::*g, int first, int last, int l) const {
    double total = 0.0;
#pragma unroll
    for (int k = 0; k < kMostSides; k++) {
      if (k >= a_.tables) break;
      const TableSums& side = a_.sides[k];
      const double* const at = side.*g + l;
      double of_side = 0.0;
      for (int s = first + lane_; s < last; s += kWarpLanes) of_side += at[int64_t{s} * a_.units.L];
      total += side.scale[l] * of_side;
    }
    return sum_of_warp(total);
  }

  const GradientArguments& a_;
  const int u_, warp_, lane_;
};

}  // namespace

// Four blocks a multiprocessor: for more of them ptxas spills.
extern "C" __global__ void __launch_bounds__(kPsiThreads, 4)
    LUNA_KERNEL(const __grid_constant__ GradientArguments arguments) {
  __shared__ double parts[kChannelWarps][2];
  const int u = static_cast<int>(blockIdx.x);
  UnitGradient gradient(arguments, u);
  u < arguments.units.count ? gradient.run(parts) : gradient.run_b2();
}

}  // namespace luna::psi
