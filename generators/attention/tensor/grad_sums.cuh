// What the gradient kernel makes of dpsi and dt: sums over segments, dx, and the gradient at the
// projections. Sums of a warp are in its registers; those of a block are made in the order of
// warps.
#pragma once

#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {

/// put(first) by one warp after the other; what they put is there for all afterwards.
template <typename Put>
__device__ inline void in_order_of_warps(Put put) {
#pragma unroll 1
  for (int warp = 0; warp < kGradWarps; warp++) {
    __syncthreads();
    if (warp == static_cast<int>(threadIdx.x / kWarp)) put(warp == 0);
  }
  __syncthreads();
}
__device__ inline void put_sum(float* sum, float value, bool first) {
  *sum = first ? value : *sum + value;
}
__device__ inline void write_all(float* to, const float* from, int count) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) to[i] = from[i];
}

/// Sums of dpsi and dpsi t by the row of the table that t lies in: products of the values with 1
/// where a site's row is the column's, else 0.
class SegmentSums {
 public:
  /// Two sites' values into a register of a fragment of a (rows: dpsi of channel g, then dpsi t),
  /// rounded and rest.
  __device__ static void pack(uint32_t (&values)[2][4], int reg, float low, float high) {
    uint32_t parts[2];
    split<__nv_bfloat16>(low, high, parts);
    values[0][reg] = parts[0];
    values[1][reg] = parts[1];
  }
  /// Of 16 sites; rows of sites 2 t, 2 t + 1 of each eight in one word.
  __device__ void add(const uint32_t (&values)[2][4], const uint32_t (&rows)[2]) {
    // 0x6400 + n is n + 1024 in float16, below 1024 too as long as n is above -8.
    const uint32_t g = threadIdx.x % kWarp / 4, base = 0x64006400u - (g | g << 16);
    const uint32_t from_g[2] = {rows[0] + base, rows[1] + base};
#pragma unroll
    for (int tile = 0; tile < kSumTiles; tile++) {
      const uint32_t here = 0x64006400u + 8 * tile * 0x10001u;
      const uint32_t b0 = one_hot(from_g[0], here), b1 = one_hot(from_g[1], here);
      multiply<__nv_bfloat16>(sum_[tile], values[0], b0, b1);
      multiply<__nv_bfloat16>(sum_[tile], values[1], b0, b1);
    }
  }
  /// [rows, 2, kChannels] of the block.
  __device__ void total(float* scratch, float* to, int rows) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    in_order_of_warps([&](bool first) {
#pragma unroll
      for (int tile = 0; tile < kSumTiles; tile++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          float* const at = scratch + ((8 * tile + 2 * t + i % 2) * 2 + i / 2) * kChannels + g;
          put_sum(at, sum_[tile][i] / kOneHot, first);
        }
      }
    });
    write_all(to, scratch, rows * 2 * kChannels);
  }

 private:
  float sum_[kSumTiles][4] = {};
};

/// dt W, and the sums of dt (x) [x, 1].
template <typename T, int kSize>
class BackProjection {
 public:
  __device__ explicit BackProjection(unsigned char* memory)
      : projections_(reinterpret_cast<uint2*>(memory)) {}

  /// W [kProjections, kSize] as fragments of b: of every tile of 8 columns the parts of a lane's
  /// registers. Lane t has columns 8 t .. of every 32 of the product.
  __device__ void stage(const float* projections) {
    for (int i = threadIdx.x; i < kTiles * kWarp; i += blockDim.x) {
      const int lane = i % kWarp, g = lane / 4, t = lane % 4, tile = i / kWarp;
      const float* const from =
          projections + 2 * t * kSize + tile / 4 * 32 + g / 2 * 8 + tile % 4 * 2 + g % 2;
      uint32_t low[kParts<T>], high[kParts<T>];
      split<__nv_bfloat16>(from[0], from[kSize], low);
      split<__nv_bfloat16>(from[8 * kSize], from[9 * kSize], high);
#pragma unroll
      for (int k = 0; k < kParts<T>; k++) {
        projections_[(tile * kParts<T> + k) * kWarp + lane] = make_uint2(low[k], high[k]);
      }
    }
  }

  /// Of 16 tokens of a warp, n ..: dt [projection, token] in shared memory.
  __device__ void add(const GradArguments& a, const float* dt, const Rows<T, kSize>& x, int b,
                      int h, int n, int group) {
    Fragment rows;  // of dt: projections by tokens
    load(dt, rows);
    Fragment columns;  // tokens by projections
#pragma unroll
    for (int part = 0; part < kParts<T>; part++) {
#pragma unroll
      for (int i = 0; i < 4; i++) columns[part][i] = transpose(rows[part][i / 2 + i % 2 * 2]);
    }
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) write_dx(a, columns, u, b, h, n, group);
#pragma unroll
    for (int u = 0; a.partial && u < kSize / 32; u++) add_products(rows, x, u);
  }

  /// [kProjections, kSize + 1] of the block.
  __device__ void total(float* scratch, float* to) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    in_order_of_warps([&](bool first) {
#pragma unroll
      for (int i = 0; i < 4 * kTiles; i++) {
        const int tile = i / 4, column = tile / 4 * 32 + 8 * t + tile % 4 * 2 + i % 2;
        float* const row = scratch + (g + i / 2 % 2 * 8) * (kSize + 1);
        put_sum(row + column, product_[tile][i % 4], first);
        product_[tile][i % 4] = 0;
      }
#pragma unroll
      for (int row = 0; row < 2; row++) {
        float sum = sum_[row] + __shfl_xor_sync(0xffffffffu, sum_[row], 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        if (t == 0) put_sum(scratch + (g + 8 * row) * (kSize + 1) + kSize, sum, first);
        sum_[row] = 0;
      }
    });
    write_all(to, scratch, kProjections * (kSize + 1));
  }

 private:
  static constexpr int kTiles = kSize / 8;
  using Fragment = uint32_t[kParts<T>][4];

  __device__ void load(const float* dt, Fragment& rows) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float2 two =
          *reinterpret_cast<const float2*>(dt + (g + i % 2 * 8) * 16 + i / 2 * 8 + 2 * t);
      uint32_t parts[kParts<T>];
      split<__nv_bfloat16>(two.x, two.y, parts);
#pragma unroll
      for (int part = 0; part < kParts<T>; part++) rows[part][i] = parts[part];
      sum_[i % 2] += two.x + two.y;
    }
  }

  /// Columns 32 u ..
  __device__ void write_dx(const GradArguments& a, const Fragment& dt, int u, int b, int h, int n,
                           int group) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    float d[4][4] = {};
    const auto carry = [&](int row) {
      const int64_t token = (int64_t{b} * a.side.heads + h) * a.side.tokens + n + g + 8 * row;
      return a.carry + token * kSize + 32 * u + 8 * t;
    };
    const auto exists = [&](int row) { return n + g + 8 * row < a.side.tokens; };
    if (group > 0) {
      for (int row = 0; row < 2; row++) {
        for (int i = 0; i < 8; i++) d[i / 2][2 * row + i % 2] = exists(row) ? carry(row)[i] : 0;
      }
    }
#pragma unroll
    for (int tile = 0; tile < 4; tile++) {
      uint32_t w[kParts<T>][1][2];
#pragma unroll
      for (int k = 0; k < kParts<T>; k++) {
        const uint2 own = projections_[((4 * u + tile) * kParts<T> + k) * kWarp + lane];
        w[k][0][0] = own.x;
        w[k][0][1] = own.y;
      }
      add_product<__nv_bfloat16>(d + tile, dt, w);
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
      if (!exists(row)) continue;
      float own[8];
#pragma unroll
      for (int i = 0; i < 8; i++) own[i] = d[i / 2][2 * row + i % 2];
      if (group + 1 < a.side.map.groups || !a.dx.data) {
        store_eight(carry(row), own);
      } else {
        T* const to = const_cast<T*>(from_token<T>(a.dx, b, h, n + g + 8 * row));
        store_eight(to + 32 * u + 8 * t, own);
      }
    }
  }

  __device__ void add_products(const Fragment& dt, const Rows<T, kSize>& x, int u) {
    Eight<T> given[2];
    x.load(u, given);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      uint32_t low[kBrainParts<T>], high[kBrainParts<T>], columns[kBrainParts<T>][1][2];
      to_parts<__nv_bfloat16>(given[0], i, low);
      to_parts<__nv_bfloat16>(given[1], i, high);
#pragma unroll
      for (int k = 0; k < kBrainParts<T>; k++) {
        columns[k][0][0] = transpose(low[k]);
        columns[k][0][1] = transpose(high[k]);
      }
      add_product<__nv_bfloat16>(product_ + 4 * u + i, dt, columns);
    }
  }

  uint2* const projections_;
  float product_[kTiles][4] = {};  ///< projections g and g + 8 by columns of x
  float sum_[2] = {};              ///< of their dt
};

}  // namespace luna::tensor
