// Tokens as rows in memory: of the storage, strides and order that a tensor has them in.
#include "generators/attention/tensor/token_moves.cuh"

namespace luna::tensor {
namespace {

/// Of a row: what its columns are multiplied by, and what comes after them.
struct Factors {
  bool there;
  float scale, last;
};

__device__ float dot_of_lanes(const GatherArguments& a, int64_t x, int64_t o) {
  float sum = 0;
  for (int column = threadIdx.x % kMoveLanes * 4; column < a.x.columns; column += 4 * kMoveLanes) {
    const float4 one = read_four(a.x, x, column), two = read_four(a.o, o, column);
    sum += one.x * two.x + one.y * two.y + (one.z * two.z + one.w * two.w);
  }
#pragma unroll
  for (int apart = kMoveLanes / 2; apart > 0; apart /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  }
  return sum;
}

/// By all lanes of a warp; n: a token that exists.
__device__ Factors factors(const GatherArguments& a, const MovedRows& at, bool there, int n) {
  const float weight = a.weight.data ? scalar(a.weight, at.b, at.h, n) : 1.0f;
  there = there && weight != 0;
  if (a.what == Gather::plain) return {there, 1, 0};
  if (a.what == Gather::key) return {there, weight, weight};
  const float raw = scalar(a.den, at.b, at.h, n) + a.add;
  const float inverse = inverse_of(raw, a.clamp) * weight;
  const float s =
      dot_of_lanes(a, token_place(a.x.at, at.b, at.h, n), token_place(a.o.at, at.b, at.h, n));
  return {there, inverse, raw < a.clamp ? 0 : -s * inverse};
}

__device__ void gather(const GatherArguments& a) {
  const MovedRows at(a.rows);
  at.each(a.rows, [&](bool in_chunk, bool there, int token, int64_t to) {
    const int n = min(token, a.rows.tokens - 1);
    const Factors f = factors(a, at, there, n);
    if (!in_chunk) return;
    const int64_t from = token_place(a.x.at, at.b, at.h, n);
    const int last = a.what == Gather::plain ? -1 : a.x.columns;
    for (int column = threadIdx.x % kMoveLanes * 4; column < a.rows.width;
         column += 4 * kMoveLanes) {
      float x[4] = {0, 0, 0, 0};
      if (f.there) {
        const float4 own = read_four(a.x, from, column);
        const float of[4] = {own.x, own.y, own.z, own.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const bool is_x = column + i < a.x.columns;
          x[i] = column + i == last ? f.last : is_x ? of[i] * f.scale : 0.0f;
        }
      }
      *reinterpret_cast<float4*>(a.rows.data + to + column) = make_float4(x[0], x[1], x[2], x[3]);
    }
  });
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kMoveThreads)
    LUNA_KERNEL(const __grid_constant__ GatherArguments arguments) {
  gather(arguments);
}

}  // namespace luna::tensor
