// What kernels that work token by token share: the state of a group in shared memory, in parts of
// bfloat16, and places in it.
#pragma once

#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {

/// Rows of features, columns e, the last one (z) and zeros: all of a part, then the next one's.
template <int kSize, int kParts>
class SharedState {
 public:
  static constexpr int kTiles = kSize / 8 + 1;  ///< of 8 columns
  static constexpr int kPitch = row_bytes(kSize);
  static constexpr int kPart = kFeatures * kPitch;  ///< from a row to its next part

  __device__ explicit SharedState(unsigned char* memory) : rows_(memory) {}

  /// By all threads, from rows of `width` floats; a barrier must follow.
  __device__ void stage(const float* state, int width) {
    constexpr int kVectors = kSize / 4, kRows = kTokenWarps * kWarp / kVectors;
    const int first = threadIdx.x / kVectors, column = threadIdx.x % kVectors;
#pragma unroll 4
    for (int row = first; row < kFeatures; row += kRows) stage(state, width, row, column);
    stage(state, width, threadIdx.x / 2, kVectors + threadIdx.x % 2);
  }

  __device__ unsigned char* rows() const { return rows_; }

 private:
  static_assert(kTokenWarps * kWarp == 2 * kFeatures, "a thread a vector of the last columns");
  __device__ void stage(const float* state, int width, int row, int column) {
    const float4 s = *reinterpret_cast<const float4*>(state + row * width + 4 * column);
    uint32_t low[kParts], high[kParts];
    split<__nv_bfloat16>(s.x, s.y, low);
    split<__nv_bfloat16>(s.z, s.w, high);
    unsigned char* const to = rows_ + row * kPitch + 8 * column;
#pragma unroll
    for (int part = 0; part < kParts; part++) {
      *reinterpret_cast<uint2*>(to + part * kPart) = make_uint2(low[part], high[part]);
    }
  }

  unsigned char* const rows_;
};

/// What a warp of a block that works token by token has: its head and its first token.
template <int kParts>
struct TokenPlace {
  static constexpr int kTokens = warp_tokens(kParts);
  int b, h, first, warp;
  __device__ TokenPlace()
      : b(blockIdx.z),
        h(blockIdx.y),
        first((blockIdx.x * kTokenWarps + threadIdx.x / kWarp) * kTokens),
        warp(threadIdx.x / kWarp) {}
  /// Of this lane's quad: tokens first + part + 8 i.
  template <typename T, int kSize>
  __device__ Rows<T, kSize> rows(const Problem& side, const Tokens& of, int part) const {
    return {side, of, b, h, first + part + static_cast<int>(threadIdx.x % kWarp / 4)};
  }
  /// Where token n of the head writes.
  __device__ float* at(const Tokens& of, int n) const {
    return const_cast<float*>(from_token<float>(of, b, h, n));
  }
  /// Rows of a group of features in a state [B, key_heads, D, width].
  template <typename Arguments>
  __device__ const float* state(const Arguments& a, int features) const {
    const int64_t head = int64_t{b} * a.key_heads + h / a.group;
    return a.state + (head * a.side.map.groups + features) * kFeatures * a.width;
  }
};

}  // namespace luna::tensor
