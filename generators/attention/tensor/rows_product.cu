// The products of rows in memory on tensor cores (generators/attention/rows/product.cpp), c with k
// innermost, rows with k innermost (LUNA_BY_K=1: gradient) or i (0: apply), and of causal attention
// what the tokens of a chunk see of each other, with the scores in registers:
//   out(n, i) = sum_k c(n, k) rows(k, i) + sum of the s that n sees: (sum_k c(n, k) against(s, k))
//               values(s, i)
// A score that is not seen is 0, and so is a value that is not finite: the outputs that see it are
// NaN, no other is.
#include "generators/attention/tensor/rows_tiles.cuh"

namespace luna::tensor {
namespace {

/// The largest float32 that bfloat16 rounds to a finite number.
constexpr float kMostFinite = 0x1.fefffep127f;

/// A range of pairs of tiles.
struct Pairs {
  int first, last;
  __device__ bool has(int pair) const { return pair >= first && pair < last; }
};

class Product {
 public:
  __device__ Product(const RowsArguments& a, unsigned char* memory, int32_t* first_bad)
      : a_(a), place_(a), memory_(memory), first_bad_(first_bad), c_(a.c, place_.z) {}

  template <typename Staged>
  __device__ void run() {
    if (threadIdx.x < kRowsColumns) first_bad_[threadIdx.x] = kRowsChunk;
    const Pairs all{0, is_active() ? place_.pairs : 0};
    accumulate<Staged, kRowsPairs>(sums_, Matrix(a_.rows, other(a_.rows)), place_.i, place_.pairs,
                                   all);
    if (a_.direction != 0) {
#pragma unroll 1
      for (int s = 0; s < a_.against.rows; s += kRowsChunk) add_chunk(s);
    }
    write_rows(a_, place_, sums_, [&](float x, int n, int i) {
      return a_.direction != 0 && first_bad_[i] <= rank(n) ? __int_as_float(0x7fffffff) : x;
    });
  }

 private:
  __device__ bool is_active() const { return place_.n + 16 * place_.warp < a_.out.rows; }
  __device__ int other(const Matrices& of) const {
    return (place_.z / a_.outer * (a_.heads / a_.group) + place_.z % a_.heads / a_.group) %
           of.count;
  }
  /// Of a chunk's token: it sees those of its rank and below.
  __device__ int rank(int n) const { return a_.direction > 0 ? n : kRowsChunk - 1 - n; }

  /// sums += c times columns i .. of the other operand.
  template <typename Staged, int kPairs>
  __device__ void accumulate(float (&sums)[2 * kPairs][4], const Matrix& other, int i, int staged,
                             const Pairs& wanted) const {
    const int quad = place_.lane % 4, last = c_.rows - 1;
    const int rows[2] = {min(place_.n + place_.row(), last),
                         min(place_.n + place_.row() + 8, last)};
    const Staged columns(memory_);
#pragma unroll 1
    for (int k = 0; k < c_.columns; k += kRowsDepth) {
      float4 x[kRowsDepth / 16][2];
#pragma unroll
      for (int at = 0; at < kRowsDepth / 8; at++) {
        x[at / 2][at % 2] = c_.four(rows[at % 2], k + 16 * (at / 2) + 4 * quad);
      }
      __syncthreads();
      columns.stage(other, k, i, staged);
      __syncthreads();
#pragma unroll
      for (int step = 0; step < kRowsDepth / 16; step++) {
        if (k + 16 * step >= c_.columns) break;
        uint32_t a[kRowsParts][4];
        split_step(x[step], a);
        add_pairs<Staged, kPairs>(sums, a, columns, step, wanted);
      }
    }
  }
  template <typename Staged, int kPairs>
  __device__ void add_pairs(float (&sums)[2 * kPairs][4], const uint32_t (&a)[kRowsParts][4],
                            const Staged& columns, int step, const Pairs& wanted) const {
#pragma unroll
    for (int pair = 0; pair < kPairs; pair++) {
      if (!wanted.has(pair)) continue;
      uint32_t b[kRowsParts][2][2];
      columns.load(step, pair, b);
      add_product<Brain>(sums + 2 * pair, a, b);
    }
  }

  /// The tokens s .. of a chunk.
  __device__ void add_chunk(int s) {
    constexpr int kTiles = kRowsChunk / 8;
    const int own = place_.warp;
    const Pairs seen = a_.direction > 0 ? Pairs{0, own + 1} : Pairs{own, kTiles / 2};
    float scores[kTiles][4] = {};
    accumulate<StagedByK, kTiles / 2>(scores, Matrix(a_.against, other(a_.against)).from_row(s), 0,
                                      kTiles / 2, seen);
#pragma unroll
    for (int at = 0; at < 4 * kTiles; at++) {
      const int token = at / 4 * 8 + place_.lane % 4 * 2 + at % 2;
      if (rank(token) > rank(place_.row() + at % 4 / 2 * 8)) scores[at / 4][at % 4] = 0;
    }
    const Matrix values = Matrix(a_.values, other(a_.values)).from_row(s);
    const StagedByI<false> staged(memory_);
#pragma unroll
    for (int k = 0; k < kRowsChunk; k += kRowsDepth) {
      __syncthreads();
      staged.stage(values, k, place_.i, place_.pairs,
                   [&](float4& x, int i, int row) { clean(x, i, rank(k + row)); });
      __syncthreads();
#pragma unroll
      for (int step = 0; step < kRowsDepth / 16; step++) {
        if (!seen.has(k / 16 + step)) continue;
        uint32_t a[kRowsParts][4];
        score_step(scores + k / 8 + 2 * step, a);
        add_pairs<StagedByI<false>, kRowsPairs>(sums_, a, staged, step, {0, place_.pairs});
      }
    }
  }
  /// Two tiles of scores as a step of 16 k.
  __device__ static void score_step(const float (*scores)[4], uint32_t (&a)[kRowsParts][4]) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      uint32_t parts[kRowsParts];
      split<Brain>(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1], parts);
#pragma unroll
      for (int part = 0; part < kRowsParts; part++) a[part][i] = parts[part];
    }
  }
  __device__ void clean(float4& x, int i, int rank) const {
    float* const of[4] = {&x.x, &x.y, &x.z, &x.w};
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (fabsf(*of[k]) <= kMostFinite) continue;
      *of[k] = 0;
      atomicMin(first_bad_ + i + k, rank);
    }
  }

  const RowsArguments& a_;
  const RowsPlace place_;
  unsigned char* const memory_;
  int32_t* const first_bad_;  ///< of a column: the lowest rank of a value that is not finite
  const Matrix c_;
  float sums_[2 * kRowsPairs][4] = {};
};

}  // namespace

extern "C" __global__ void __launch_bounds__(kRowsWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ RowsArguments arguments) {
  using Staged = std::conditional_t<LUNA_BY_K, StagedByK, StagedByI<true>>;
  __shared__ __align__(16) unsigned char memory[StagedByI<true>::kBytes];
  __shared__ int32_t first_bad[kRowsColumns];
  Product(arguments, memory, first_bad).run<Staged>();
}

}  // namespace luna::tensor
