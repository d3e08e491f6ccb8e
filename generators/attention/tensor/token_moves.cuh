// Tokens in any of the storages, a row of one to kMoveLanes lanes.
#pragma once

#include "generators/attention/tensor/mma.cuh"
#include "generators/attention/tensor/token_moves.h"

namespace luna::tensor {

__device__ inline int64_t token_place(const Tokens& of, int b, int h, int n) {
  return int64_t{b} * of.batch + int64_t{h} * of.head + int64_t{n} * of.token;
}
__device__ inline float scalar(const Tokens& of, int b, int h, int n) {
  return static_cast<const float*>(of.data)[token_place(of, b, h, n)];
}

__device__ inline float read_one(const TokenRows& of, int64_t at) {
  switch (of.type) {
    case Element::bf16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(of.at.data)[at]);
    case Element::f16:
      return __half2float(static_cast<const __half*>(of.at.data)[at]);
    default:
      return static_cast<const float*>(of.at.data)[at];
  }
}
/// Columns column .. + 3; zeros beyond the last.
__device__ inline float4 read_four(const TokenRows& of, int64_t row, int column) {
  if (of.four && column < of.columns) {
    if (of.type == Element::f32) {
      return *reinterpret_cast<const float4*>(static_cast<const float*>(of.at.data) + row + column);
    }
    const uint2 two =
        *reinterpret_cast<const uint2*>(static_cast<const uint16_t*>(of.at.data) + row + column);
    const bool brain = of.type == Element::bf16;
    const float2 low = brain ? two_of<__nv_bfloat16>(two.x) : two_of<__half>(two.x);
    const float2 high = brain ? two_of<__nv_bfloat16>(two.y) : two_of<__half>(two.y);
    return make_float4(low.x, low.y, high.x, high.y);
  }
  float x[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    x[i] = column + i < of.columns ? read_one(of, row + column + i) : 0.0f;
  }
  return make_float4(x[0], x[1], x[2], x[3]);
}

__device__ inline void write_one(const TokenRows& to, int64_t at, float x) {
  void* const data = const_cast<void*>(to.at.data);
  switch (to.type) {
    case Element::bf16:
      static_cast<__nv_bfloat16*>(data)[at] = __float2bfloat16(x);
      break;
    case Element::f16:
      static_cast<__half*>(data)[at] = __float2half(x);
      break;
    default:
      static_cast<float*>(data)[at] = x;
  }
}
__device__ inline void write_four(const TokenRows& to, int64_t row, int column, const float4& x) {
  void* const data = const_cast<void*>(to.at.data);
  if (to.four) {
    if (to.type == Element::f32) {
      // (As an assignment, nvcc splits it in four to share them with the stores below.)
      __stwb(reinterpret_cast<float4*>(static_cast<float*>(data) + row + column), x);
      return;
    }
    const bool brain = to.type == Element::bf16;
    *reinterpret_cast<uint2*>(static_cast<uint16_t*>(data) + row + column) =
        brain ? make_uint2(pair_of<__nv_bfloat16>(x.x, x.y), pair_of<__nv_bfloat16>(x.z, x.w))
              : make_uint2(pair_of<__half>(x.x, x.y), pair_of<__half>(x.z, x.w));
    return;
  }
  const float of[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (column + i < to.columns) write_one(to, row + column + i, of[i]);
  }
}

/// The block's rows: what z they are of, and body(whether a row is of the chunk,
/// whether it is a token's, the token, the row's place) of each.
struct MovedRows {
  int b, h, chunk, first;
  __device__ explicit MovedRows(const ChunkRows& of)
      : b(blockIdx.x / of.heads / of.chunks),
        h(blockIdx.x % of.heads),
        chunk(blockIdx.x / of.heads % of.chunks),
        first(blockIdx.y * kMoveBlockRows) {}

  /// All lanes of a warp call the body together.
  template <typename Body>
  __device__ void each(const ChunkRows& of, const Body& body) const {
    const int64_t z = blockIdx.x;
#pragma unroll
    for (int turn = 0; turn < kMoveBlockRows / kMoveRows; turn++) {
      const int row = first + turn * kMoveRows + threadIdx.x / kMoveLanes;
      const int token = chunk * of.chunk + row;
      body(row < of.chunk, row < of.chunk && token < of.tokens, token,
           (z * of.chunk + row) * of.width);
    }
  }
};

/// 1 / max(raw, clamp) in which NaN stays.
__device__ inline float inverse_of(float raw, float clamp) {
  return __frcp_rn(floor_at(raw, clamp));
}

}  // namespace luna::tensor
