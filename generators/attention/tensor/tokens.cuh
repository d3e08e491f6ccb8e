// Where the tokens of a head lie in memory, and rows of them.
#pragma once

#include "generators/attention/tensor/mma.cuh"

namespace luna::tensor {

/// One (b, h) of [B, H, N, ..] from token n on.
template <typename T>
__device__ inline const T* from_token(const Tokens& tokens, int b, int h, int n) {
  return static_cast<const T*>(tokens.data) + int64_t{b} * tokens.batch + int64_t{h} * tokens.head +
         int64_t{n} * tokens.token;
}

/// One (b, h) of [B, H, N, ..]: what a loop reads from shared memory instead of multiplying anew.
struct alignas(16) HeadTokens {
  const unsigned char* first;
  int32_t bytes;  ///< from a token to the next

  template <typename T>
  __device__ static HeadTokens of(const Tokens& tokens, int b, int h) {
    return {reinterpret_cast<const unsigned char*>(from_token<T>(tokens, b, h, 0)),
            tokens.token * static_cast<int32_t>(sizeof(T))};
  }
  template <typename T>
  __device__ const T* at(int n) const {
    return reinterpret_cast<const T*>(first + int64_t{n} * bytes);
  }
};

/// Rows of the tokens n and n + 8 of a head (of this lane's quad): whether they are there, which is
/// where they exist and their weight is not zero, and what they hold.
template <typename T, int kSize>
class Rows {
 public:
  __device__ Rows(const Problem& side, const Tokens& rows, int b, int h, int n) {
    const float* const weight = from_token<float>(side.weight, b, h, 0);
    const T* const row = from_token<T>(rows, b, h, 0) + 8 * (threadIdx.x % 4);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int64_t token = min(n + 8 * i, side.tokens - 1);
      row_[i] = row + token * rows.token;
      there_[i] = n + 8 * i < side.tokens && weight[token * side.weight.token] != 0;
    }
  }
  /// Of `tokens` in all; bit i of `there` says it of token n + i.
  __device__ Rows(const HeadTokens& rows, int n, int tokens, uint32_t there) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      row_[i] = rows.at<T>(min(n + 8 * i, tokens - 1)) + 8 * (threadIdx.x % 4);
      there_[i] = there >> 8 * i & 1;
    }
  }

  /// Rows 0 and 1: lane t of a quad has elements 8 t .. of every 32; zeros where they are not
  /// there.
  __device__ void load(int u, Eight<T> (&x)[2]) const {
#pragma unroll
    for (int i = 0; i < 2; i++) x[i] = Eight<T>::load(row_[i] + 32 * u);
#pragma unroll
    for (int i = 0; i < 2; i++) x[i].keep_if(there_[i]);
  }

 private:
  const T* row_[2];  ///< of a token that exists
  bool there_[2];
};

/// The rows of a warp's 16 tokens, n and on, of `tokens` in all, kBatch of a thread under way:
/// store(eight, row, vector) of each eight numbers; zeros where bit i of `there` is not set.
template <typename T, int kSize, int kBatch, typename Store>
__device__ inline void stage_rows(const HeadTokens& rows, int n, int tokens, uint32_t there,
                                  const Store& store) {
  constexpr int kVectors = kSize / 8, kRowsAtOnce = kWarp / kVectors;
  const int lane = threadIdx.x % kWarp, row = lane / kVectors, vector = lane % kVectors;
#pragma unroll
  for (int first = 0; first < 16; first += kBatch * kRowsAtOnce) {
    Eight<T> own[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      const int token = min(n + row + first + k * kRowsAtOnce, tokens - 1);
      own[k] = Eight<T>::load(rows.at<T>(token) + 8 * vector);
    }
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      const int ahead = first + k * kRowsAtOnce;
      own[k].keep_if((there >> row & 1 << ahead) != 0);
      store(own[k], row + ahead, vector);
    }
  }
}

}  // namespace luna::tensor
