// What kernels that work token by token share: the state of a group in shared memory, in bfloat16
// and what that rounds off, and places in it.
#pragma once

#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {

/// Rows of features, columns e, the last one (z) and zeros: first rounded, then the rest.
template <int kSize>
class SharedState {
 public:
  static constexpr int kTiles = kSize / 8 + 1;  ///< of 8 columns
  static constexpr int kPitch = row_bytes(kSize);
  static constexpr int kRest = kFeatures * kPitch;  ///< from a rounded row to its rest

  __device__ explicit SharedState(unsigned char* memory) : rows_(memory) {}

  /// By all threads, from rows of `width` floats; a barrier must follow.
  __device__ void stage(const float* state, int width) {
    constexpr int kVectors = 2 * kTiles;
    for (int i = threadIdx.x; i < kFeatures * kVectors; i += blockDim.x) {
      const int row = i / kVectors, column = i % kVectors;
      const float4 s = *reinterpret_cast<const float4*>(state + row * width + 4 * column);
      const uint2 high = make_uint2(pair(s.x, s.y), pair(s.z, s.w));
      unsigned char* const to = rows_ + row * kPitch + 8 * column;
      *reinterpret_cast<uint2*>(to) = high;
      *reinterpret_cast<uint2*>(to + kRest) =
          make_uint2(rest(high.x, s.x, s.y), rest(high.y, s.z, s.w));
    }
  }

  __device__ unsigned char* rows() const { return rows_; }

 private:
  unsigned char* const rows_;
};

/// What a warp of a block that works token by token has: its head and its first token.
struct TokenPlace {
  int b, h, first, warp;
  __device__ explicit TokenPlace(const Problem& side)
      : b(blockIdx.x / blocks(side)),
        h(blockIdx.y),
        first(blockIdx.x % blocks(side) * kBlockTokens + threadIdx.x / kWarp * kTokensOfWarp),
        warp(threadIdx.x / kWarp) {}
  __device__ static int blocks(const Problem& side) {
    return (side.tokens + kBlockTokens - 1) / kBlockTokens;
  }
  /// Rows of a group of features in a state [B, key_heads, D, width].
  __device__ const float* state(const float* states, const Problem& side, int key_heads, int width,
                                int group) const {
    const int64_t head = int64_t{b} * key_heads + h / (side.heads / key_heads);
    return states + (head * side.map.groups + group) * kFeatures * width;
  }
};

}  // namespace luna::tensor
