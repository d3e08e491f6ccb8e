// S(D, e) = sum_n phi(n, D) columns(n, e) on tensor cores (generators/attention/rows/product.cpp):
// out(n = D, i = e), both operands with k, the tokens, outermost.
#include "generators/attention/tensor/rows_tiles.cuh"

namespace luna::tensor {
namespace {

__device__ void state(const RowsArguments& a) {
  using Staged = StagedByI<false>;
  __shared__ __align__(16) unsigned char memory[2 * Staged::kBytes];
  const RowsPlace place(a);
  const Matrix phi(a.c, place.z), columns(a.rows, place.z % a.rows.count);
  const Staged left(memory), right(memory + Staged::kBytes);
  const int used = (min(kRowsTall, a.out.rows - place.n) + 15) / 16;
  float sums[2 * kRowsPairs][4] = {};
#pragma unroll 1
  for (int k = 0; k < phi.rows; k += kRowsDepth) {
    __syncthreads();
    left.stage(phi, k, place.n, used);
    right.stage(columns, k, place.i, place.pairs);
    __syncthreads();
    if (place.warp >= used) continue;
#pragma unroll
    for (int step = 0; step < kRowsDepth / 16; step++) {
      if (k + 16 * step >= phi.rows) break;
      uint32_t d[kRowsParts][2][2], own[kRowsParts][4];
      left.load(step, place.warp, d);
#pragma unroll
      for (int part = 0; part < kRowsParts; part++) {
#pragma unroll
        for (int i = 0; i < 4; i++) own[part][i] = d[part][i % 2][i / 2];
      }
#pragma unroll
      for (int pair = 0; pair < kRowsPairs; pair++) {
        if (pair >= place.pairs) continue;
        right.load(step, pair, d);
        add_product<Brain>(sums + 2 * pair, own, d);
      }
    }
  }
  write_rows(a, place, sums, [](float x, int, int) { return x; });
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kRowsWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ RowsArguments arguments) {
  state(arguments);
}

}  // namespace luna::tensor
