// Running sums of the chunks' states (generators/attention/rows/scan.cpp), in float64: before(i, c,
// b) is what the states of the chunks before c (reverse: after c) and the total before them add up
// to; total gets them all.
#include "generators/attention/tensor/rows_arguments.h"

namespace luna::tensor {
namespace {

constexpr int kAhead = 8;  ///< states under way

__device__ void scan(const ScanArguments& a) {
  const int b = blockIdx.x / a.across;
  const int i = blockIdx.x % a.across * kScanThreads + threadIdx.x;
  if (i >= a.elements) return;
  const int64_t first = int64_t{b} * a.chunks * a.elements + i;
  const auto place = [&](int c) {
    return first + int64_t{a.reverse ? a.chunks - 1 - c : c} * a.elements;
  };
  double* const total = a.total + int64_t{b} * a.elements + i;
  double sum = *total;
#pragma unroll 1
  for (int c = 0; c < a.chunks; c += kAhead) {
    float x[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; k++) x[k] = c + k < a.chunks ? a.states[place(c + k)] : 0.0f;
#pragma unroll
    for (int k = 0; k < kAhead; k++) {
      if (c + k >= a.chunks) break;
      a.before[place(c + k)] = static_cast<float>(sum);
      sum += x[k];
    }
  }
  *total = sum;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kScanThreads)
    LUNA_KERNEL(const __grid_constant__ ScanArguments arguments) {
  scan(arguments);
}

}  // namespace luna::tensor
