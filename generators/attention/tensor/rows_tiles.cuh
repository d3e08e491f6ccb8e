// Rows in memory as operands of tensor cores: float32 in three parts of bfloat16 (mma.cuh), staged
// kRowsDepth k at a time.
#pragma once

#include "generators/attention/tensor/mma.cuh"
#include "generators/attention/tensor/rows_arguments.h"

namespace luna::tensor {

using Brain = __nv_bfloat16;
constexpr int kRowsParts = kBrainParts<float>;

/// A matrix of one z.
struct Matrix {
  const float* data;
  int columns, rows, pitch;

  __device__ Matrix(const Matrices& of, int z)
      : data(of.data + z * of.apart), columns(of.columns), rows(of.rows), pitch(of.pitch) {}
  /// Four columns of a row; zeros beyond the matrix.
  __device__ float4 four(int row, int column) const {
    if (row >= rows || column >= columns) return make_float4(0, 0, 0, 0);
    return *reinterpret_cast<const float4*>(data + int64_t{row} * pitch + column);
  }
  __device__ Matrix from_row(int row) const {
    Matrix own = *this;
    own.data += int64_t{row} * pitch;
    own.rows -= row;
    return own;
  }
};

/// What a block computes: z, and its first n and i.
struct RowsPlace {
  int z, n, i, pairs, warp, lane;
  __device__ explicit RowsPlace(const RowsArguments& a)
      : z(blockIdx.x / (a.across * a.down)),
        n(blockIdx.x / a.across % a.down * kRowsTall),
        i(blockIdx.x % a.across * a.wide),
        pairs((min(a.wide, a.out.columns - i) + 15) / 16),
        warp(threadIdx.x / kWarp),
        lane(threadIdx.x % kWarp) {}
  /// Of n .. : that of this lane, and 8 further the other one.
  __device__ int row() const { return 16 * warp + lane / 4; }
};

/// Four numbers in parts.
__device__ inline void split_four(const float4& x, uint2 (&parts)[kRowsParts]) {
  uint32_t low[kRowsParts], high[kRowsParts];
  split<Brain>(x.x, x.y, low);
  split<Brain>(x.z, x.w, high);
#pragma unroll
  for (int part = 0; part < kRowsParts; part++) parts[part] = make_uint2(low[part], high[part]);
}

/// A step of 16 k of `a` rows (k innermost): lane t of a quad has k = 4 t .. of it, whatever mma
/// calls them.
__device__ inline void split_step(const float4 (&x)[2], uint32_t (&a)[kRowsParts][4]) {
#pragma unroll
  for (int row = 0; row < 2; row++) {
    uint2 parts[kRowsParts];
    split_four(x[row], parts);
#pragma unroll
    for (int part = 0; part < kRowsParts; part++) {
      a[part][row] = parts[part].x;
      a[part][row + 2] = parts[part].y;
    }
  }
}

/// Columns of mma's b, kRowsDepth k of each, of rows with k innermost: the registers of a lane side
/// by side.
class StagedByK {
 public:
  static constexpr int kBytes = kRowsParts * kRowsDepth * 2 * kRowsColumns;

  __device__ explicit StagedByK(unsigned char* memory) : words_(reinterpret_cast<uint2*>(memory)) {}

  /// Rows i .. of the matrix, 16 of each pair.
  __device__ void stage(const Matrix& rows, int k, int i, int pairs) const {
    const int row = threadIdx.x / 8, four = threadIdx.x % 8;
    float4 x[kRowsPairs];
#pragma unroll
    for (int pair = 0; pair < kRowsPairs; pair++) {
      if (pair < pairs) x[pair] = rows.four(i + 16 * pair + row, k + 4 * four);
    }
#pragma unroll
    for (int pair = 0; pair < kRowsPairs; pair++) {
      if (pair >= pairs) continue;
      uint2 parts[kRowsParts];
      split_four(x[pair], parts);
#pragma unroll
      for (int part = 0; part < kRowsParts; part++) {
        words_[place(part, four / 4, 2 * pair + row / 8) + row % 8 * 4 + four % 4] = parts[part];
      }
    }
  }
  __device__ void load(int step, int pair, uint32_t (&b)[kRowsParts][2][2]) const {
#pragma unroll
    for (int part = 0; part < kRowsParts; part++) {
#pragma unroll
      for (int tile = 0; tile < 2; tile++) {
        const uint2 words = words_[place(part, step, 2 * pair + tile) + threadIdx.x % kWarp];
        b[part][tile][0] = words.x;
        b[part][tile][1] = words.y;
      }
    }
  }

 private:
  __device__ static int place(int part, int step, int tile) {
    return ((part * kRowsDepth / 16 + step) * 2 * kRowsPairs + tile) * kWarp;
  }
  uint2* const words_;
};

/// The same of rows with i innermost. kSplit: k in split_step's order; else in their own.
template <bool kSplit>
class StagedByI {
 public:
  static constexpr int kPitch = 2 * kRowsColumns + 16;
  static constexpr int kPart = kRowsDepth * kPitch;
  static constexpr int kBytes = kRowsParts * kPart;

  __device__ explicit StagedByI(unsigned char* memory) : memory_(memory) {}

  /// Rows k .. of the matrix, 16 columns of each pair from i on. clean(x, column): given every four
  /// before they are taken apart.
  template <typename Clean>
  __device__ void stage(const Matrix& rows, int k, int i, int pairs, const Clean& clean) const {
    const int row = threadIdx.x / 4, column = threadIdx.x % 4 * 4;
    float4 x[kRowsPairs];
#pragma unroll
    for (int pair = 0; pair < kRowsPairs; pair++) {
      if (pair < pairs) x[pair] = rows.four(k + row, i + 16 * pair + column);
    }
    unsigned char* const to = memory_ + slot(row) * kPitch + 2 * column;
#pragma unroll
    for (int pair = 0; pair < kRowsPairs; pair++) {
      if (pair >= pairs) continue;
      clean(x[pair], 16 * pair + column, row);
      uint2 parts[kRowsParts];
      split_four(x[pair], parts);
#pragma unroll
      for (int part = 0; part < kRowsParts; part++) {
        *reinterpret_cast<uint2*>(to + part * kPart + 32 * pair) = parts[part];
      }
    }
  }
  __device__ void stage(const Matrix& rows, int k, int i, int pairs) const {
    stage(rows, k, i, pairs, [](float4&, int, int) {});
  }
  __device__ void load(int step, int pair, uint32_t (&b)[kRowsParts][2][2]) const {
    const uint32_t at = column_address(memory_, kPitch, 16 * step);
#pragma unroll
    for (int part = 0; part < kRowsParts; part++) {
      load_columns(b[part], at + part * kPart + 32 * pair);
    }
  }

 private:
  __device__ static int slot(int k) { return kSplit ? quad_row(k) : k; }
  unsigned char* const memory_;
};

/// out(n, i): tiles of 8 columns of 16 rows a warp.
template <typename Edit>
__device__ inline void write_rows(const RowsArguments& a, const RowsPlace& place,
                                  const float (&sums)[2 * kRowsPairs][4], const Edit& edit) {
  float* const to = a.out.data + place.z * a.out.apart;
#pragma unroll
  for (int at = 0; at < 4 * kRowsPairs; at++) {
    const int tile = at / 2, half = at % 2;
    const int n = place.n + place.row() + 8 * half, i = 8 * tile + place.lane % 4 * 2;
    if (n >= a.out.rows || i >= a.wide || place.i + i >= a.out.columns) continue;
    *reinterpret_cast<float2*>(to + int64_t{n} * a.out.pitch + place.i + i) =
        make_float2(edit(sums[tile][2 * half], n, i), edit(sums[tile][2 * half + 1], n, i + 1));
  }
}

}  // namespace luna::tensor
