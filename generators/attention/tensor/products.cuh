// What kernels that work token by token share: the state of a group in shared memory, in parts of
// bfloat16, and places in it.
#pragma once

#include "generators/attention/tensor/tokens.cuh"

namespace luna::tensor {

/// Rows of features, columns e, the last one (z) and zeros: all of a part, then the next one's.
/// Columns 2 t, 2 t + 1 of tile 4 u + r are e = 32 u + 8 t + 2 r and the next: lane t of a quad has
/// 8 t .. of every 32. kSplit: of every 16 rows lane t has 4 t .., whatever mma calls them.
template <int kSize, int kParts, int kFeatures, bool kSplit>
class SharedState {
 public:
  static constexpr int kTiles = kSize / 8 + 1;  ///< of 8 columns
  static constexpr int kPitch = row_bytes(kSize);
  static constexpr int kPart = kFeatures * kPitch;  ///< from a row to its next part
  static constexpr int kBytes = kParts * kPart;

  __device__ explicit SharedState(unsigned char* memory) : rows_(memory) {}

  /// By all threads, from rows of `width` floats; a barrier must follow.
  __device__ void stage(const float* state, int width) {
    constexpr int kVectors = kSize / 4, kRows = kTokenWarps * kWarp / kVectors;
    const int row = threadIdx.x / kVectors, column = threadIdx.x % kVectors;
    const int place = column / 8 * 32 + column % 2 * 16 + column % 8 / 2 * 2;
    const float* from = state + row * width + 4 * column;
    unsigned char* to = rows_ + slot(row) * kPitch + 2 * place;
#pragma unroll 2
    for (int i = 0; i < kFeatures / kRows; i++) {
      put(from, to, 8);
      from += kRows * width;
      to += kRows * kPitch;
    }
    const int own = threadIdx.x / 2, last = kSize + threadIdx.x % 2 * 4;
    if (own >= kFeatures) return;
    put(state + own * width + last, rows_ + slot(own) * kPitch + 2 * last, 2);
  }

  __device__ unsigned char* rows() const { return rows_; }

 private:
  static_assert(kTokenWarps * kWarp >= 2 * kFeatures, "a thread a vector of the last columns");
  __device__ static int slot(int row) { return kSplit ? quad_row(row) : row; }
  /// Four columns as two pairs, that many places apart.
  __device__ static void put(const float* from, unsigned char* to, int apart) {
    const float4 s = *reinterpret_cast<const float4*>(from);
    uint32_t low[kParts], high[kParts];
    split<__nv_bfloat16>(s.x, s.y, low);
    split<__nv_bfloat16>(s.z, s.w, high);
#pragma unroll
    for (int part = 0; part < kParts; part++) {
      uint32_t* const words = reinterpret_cast<uint32_t*>(to + part * kPart);
      words[0] = low[part];
      words[apart / 2] = high[part];
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
  template <typename T>
  __device__ T* at(const Tokens& of, int n) const {
    return const_cast<T*>(from_token<T>(of, b, h, n));
  }
  /// Rows of a group of so many features in a state [B, key_heads, D, width].
  template <typename Arguments>
  __device__ const float* state(const Arguments& a, int group, int features) const {
    const int64_t head = int64_t{b} * a.key_heads + h / a.group;
    return a.state + (head * a.side.map.groups + group) * features * a.width;
  }
};

}  // namespace luna::tensor
