// What backward needs of every query beside its features: inverse_n = w_n / max(den_n + add, clamp)
// and -s_n = -(o_n . grad_n) inverse_n, 0 where the clamp holds. Both are 0 for a token that is not
// there.
#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {
namespace {

/// Of eight elements.
template <typename T>
__device__ float dot(const float* a, const T* b) {
  const Eight<float> x = Eight<float>::load(a);
  const Eight<T> y = Eight<T>::load(b);
  float sum[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 own = floats(x, i), other = floats(y, i);
    sum[i] = fmaf(own.y, other.y, own.x * other.x);
  }
  return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/// A row is 8 elements of each of kLanes lanes.
template <typename T, int kSize>
__device__ void quotient_grad(const QuotientArguments& a) {
  constexpr int kLanes = kSize / 8, kRows = kTokenWarps * kWarp / kLanes;
  constexpr int kTurns = kRowTokens / kRows;
  const int b = blockIdx.z, h = blockIdx.y, lane = threadIdx.x % kLanes;
  const int first = blockIdx.x * kRowTokens + threadIdx.x / kLanes;
  float sum[kTurns];
#pragma unroll
  for (int i = 0; i < kTurns; i++) {
    const int n = min(first + i * kRows, a.tokens - 1);
    sum[i] =
        dot(from_token<float>(a.o, b, h, n) + 8 * lane, from_token<T>(a.grad, b, h, n) + 8 * lane);
  }
  float own = 0;  // of this lane's row: that of turn `lane`
#pragma unroll
  for (int i = 0; i < kTurns; i++) {
#pragma unroll
    for (int apart = kLanes / 2; apart > 0; apart /= 2) {
      sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], apart);
    }
    if (lane == i) own = sum[i];
  }
  const int n = first + lane * kRows;
  if (lane >= kTurns || n >= a.tokens) return;
  const auto at = [&](const Tokens& of) {
    return const_cast<float*>(from_token<float>(of, b, h, n));
  };
  const float weight = *at(a.weight), raw = *at(a.den) + a.add;
  const float inverse = weight == 0 ? 0 : divide<T>(weight, floor_at(raw, a.clamp));
  *at(a.inverse) = inverse;
  *at(a.minus_s) = weight == 0 || raw < a.clamp ? 0 : -own * inverse;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kTokenWarps* kWarp)
    LUNA_KERNEL(const __grid_constant__ QuotientArguments arguments) {
  quotient_grad<LUNA_STORAGE, LUNA_SIZE>(arguments);
}

}  // namespace luna::tensor
