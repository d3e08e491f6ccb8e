// Where tokens meet the table of psi: of every token and projection t = W x + b and the row of the
// table that t lies in, found by tensor cores and a binary search and kept in shared memory.
#pragma once

#include <cmath>

#include "generators/attention/tensor/tokens.cuh"

namespace luna::tensor {

/// Rows (16 of each of kTiles) as fragments of parts of T: for every tile and step of 16 elements
/// the registers of a lane side by side; all of a part, then the next one's. Lane t of a quad has
/// elements 8 t .. of every 32, whatever mma calls them. By all threads; a barrier must follow.
template <typename T, int kCount, int kSize, int kTiles>
__device__ inline void stage_fragments(const float* rows, int pitch, unsigned char* memory) {
  constexpr int kSteps = kSize / 16, kLanes = kTiles * kSteps * kWarp;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, step = warp % kSteps;
  const int tiles = blockDim.x / (kWarp * kSteps);  // at once
  const float* from =
      rows + (warp / kSteps * 16 + lane / 4) * pitch + lane % 4 * 8 + step / 2 * 32 + step % 2 * 4;
  uint4* to = reinterpret_cast<uint4*>(memory) + threadIdx.x;
#pragma unroll 4
  for (int tile = warp / kSteps; tile < kTiles; tile += tiles) {
    const float4 upper = *reinterpret_cast<const float4*>(from);
    const float4 lower = *reinterpret_cast<const float4*>(from + 8 * pitch);
    uint32_t parts[4][kCount];
    split<T>(upper.x, upper.y, parts[0]);
    split<T>(lower.x, lower.y, parts[1]);
    split<T>(upper.z, upper.w, parts[2]);
    split<T>(lower.z, lower.w, parts[3]);
#pragma unroll
    for (int k = 0; k < kCount; k++) {
      to[k * kLanes] = make_uint4(parts[0][k], parts[1][k], parts[2][k], parts[3][k]);
    }
    from += 16 * tiles * pitch;
    to += blockDim.x;
  }
}
/// One of them as a fragment of a.
__device__ inline void read_fragment(const uint4& words, uint32_t (&a)[4]) {
  a[0] = words.x;
  a[1] = words.y;
  a[2] = words.z;
  a[3] = words.w;
}

/// What lane 4 g + t looks up: channel g of tokens 2 t and 2 t + 1 of every eight, or channels 2 t
/// and 2 t + 1 of token g.
enum class Lookup { channel, pair };

/// The map's parameters of one group of projections in shared memory. A row of the table lies there
/// in copies, so that lanes which look up at once look in different banks.
template <typename T, int kSize, Lookup kLookup>
class SharedMap {
 public:
  __device__ SharedMap(unsigned char* memory, unsigned char* table, const Map& map)
      : projections_(memory),
        bias_(reinterpret_cast<float*>(memory + 2 * kParts<T> * kProjections * kSize)),
        first_(reinterpret_cast<int32_t*>(bias_ + kProjections)),
        knots_(reinterpret_cast<float*>(table)),
        table_(table + 4 * staged_knots(map.halvings)),
        lines_(table_ + lane_offset(map.copies)),
        map_(map) {}

  /// By all threads; a barrier must follow.
  __device__ void stage_table() {
    for (int i = threadIdx.x; i < staged_knots(map_.halvings); i += blockDim.x) {
      knots_[i] = i < 1 << map_.halvings ? map_.knots[i] : INFINITY;
    }
    constexpr int kPairs = kChannels / 2;
    const int pair = threadIdx.x % kPairs, line = kLineBytes * map_.copies;
    int row = threadIdx.x / kPairs;
    const float2* from = reinterpret_cast<const float2*>(map_.table) + row * kChannels + pair;
    unsigned char* to =
        table_ + row * line + 2 * pair / kChunk * kChunkBytes * map_.copies + 2 * pair % kChunk * 8;
#pragma unroll 1
    for (; row < map_.rows; row += blockDim.x / kPairs) {
      const float2 slopes = from[0], intercepts = from[kPairs];
#pragma unroll
      for (int copy = 0; copy < kMostCopies; copy++) {
        if (copy >= map_.copies) break;
        *reinterpret_cast<float4*>(to + copy * kChunkBytes) =
            make_float4(slopes.x, intercepts.x, slopes.y, intercepts.y);
      }
      from += blockDim.x / kPairs * kChannels;
      to += blockDim.x / kPairs * line;
    }
  }
  __device__ void stage_group(int group) {
    stage_fragments<typename Factor<T>::Type, kParts<T>, kSize, 1>(
        map_.projections + group * kProjections * kSize, kSize, projections_);
    for (int i = threadIdx.x; i < kProjections; i += blockDim.x) {
      bias_[i] = map_.bias[group * kProjections + i];
      first_[i] = map_.first_row[group * kProjections + i];
    }
  }

  /// The sites of 16 tokens of a warp.
  __device__ void locate(const Rows<T, kSize>& x, unsigned char* sites) const {
    const int g = threadIdx.x % kWarp / 4;
    float at[2][4];
    project(x, at);
#pragma unroll
    for (int eight = 0; eight < 2; eight++) {
      uint32_t offset[4];
      search(at[eight], offset);
#pragma unroll
      for (int upper = 0; upper < 2; upper++) {
        const float t[2] = {at[eight][2 * upper], at[eight][2 * upper + 1]};
        put(sites, eight, g + 8 * upper, t, offset[2 * upper], offset[2 * upper + 1]);
      }
    }
  }

  /// Lookup::channel: of tokens 8 eight + 2 t and the next: t of both, then their offsets in the
  /// table.
  __device__ static float4 sites_of(const unsigned char* sites, int eight, int projection) {
    return reinterpret_cast<const float4*>(
        sites)[(eight * kProjections + projection) * 4 + threadIdx.x % 4];
  }
  __device__ float2 line(float offset) const {
    return *reinterpret_cast<const float2*>(lines_ + __float_as_int(offset));
  }
  /// Of a site's two offsets, which are 16 bits and whole rows, the rows: two numbers of 16 bits.
  __device__ uint32_t rows(const float4& site) const {
    const uint32_t offsets = __float_as_uint(site.z) | __float_as_uint(site.w) << 16;
    return offsets / kLineBytes >> (map_.copies >> 1);
  }
  /// Lookup::pair: of token 8 eight + g and two projections: t and the offset in the table.
  __device__ static float4 two_sites(const unsigned char* sites, int eight, int projection) {
    return *reinterpret_cast<const float4*>(
        sites + (8 * eight + threadIdx.x % kWarp / 4) * kSiteBytes + projection * 8);
  }
  __device__ float4 lines(float offset) const {
    return *reinterpret_cast<const float4*>(lines_ + __float_as_int(offset));
  }

  __device__ float feature(float slope, float intercept, float t) const {
    return floor_at(fmaf(slope, t, intercept), map_.floor);
  }
  __device__ float floor() const { return map_.floor; }

 private:
  static constexpr int kSteps = kSize / 16;
  /// Times 32 columns of x under way: as many as registers are left for.
  static constexpr int kAhead = sizeof(T) > 2 ? 1 : kSize / 32;
  static constexpr int kChunk = kLookup == Lookup::channel ? 4 : 8;  ///< channels of a copy
  static constexpr int kChunkBytes = 8 * kChunk;
  static constexpr int kMostCopies = kLookup == Lookup::channel ? 4 : 2;

  __device__ static int lane_offset(int copies) {
    int lane;  // read anew: a register less is kept for it
    asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    const int g = lane / 4, t = lane % 4;
    return kLookup == Lookup::channel
               ? g / 4 * kChunkBytes * copies + (t & (copies - 1)) * kChunkBytes + g % 4 * 8
               : (g & (copies - 1)) * kChunkBytes + t * 16;
  }

  /// The sites of tokens 2 t and 2 t + 1 of that eight.
  __device__ static void put(unsigned char* sites, int eight, int projection, const float (&t)[2],
                             uint32_t offset0, uint32_t offset1) {
    const int pair = threadIdx.x % 4;
    const float offsets[2] = {__uint_as_float(offset0), __uint_as_float(offset1)};
    if (kLookup == Lookup::channel) {
      reinterpret_cast<float4*>(sites)[(eight * kProjections + projection) * 4 + pair] =
          make_float4(t[0], t[1], offsets[0], offsets[1]);
      return;
    }
    unsigned char* const to = sites + (8 * eight + 2 * pair) * kSiteBytes + projection * 8;
    *reinterpret_cast<float2*>(to) = make_float2(t[0], offsets[0]);
    *reinterpret_cast<float2*>(to + kSiteBytes) = make_float2(t[1], offsets[1]);
  }
  /// Of tokens 2 t and 2 t + 1 of every eight: projections g, then g + 8.
  __device__ void project(const Rows<T, kSize>& x, float (&at)[2][4]) const {
    const int g = threadIdx.x % kWarp / 4;
#pragma unroll
    for (int i = 0; i < 8; i++) at[i / 4][i % 4] = bias_[g + i % 4 / 2 * 8];
#pragma unroll
    for (int first = 0; first < kSize / 32; first += kAhead) {
      Eight<T> given[kAhead][2];
#pragma unroll
      for (int i = 0; i < kAhead; i++) x.load(first + i, given[i]);
#pragma unroll
      for (int i = 0; i < kAhead; i++) add_columns(given[i], first + i, at);
    }
  }
  /// What 32 columns of x, from 32 u on, add.
  __device__ void add_columns(const Eight<T> (&x)[2], int u, float (&at)[2][4]) const {
    using Type = typename Factor<T>::Type;
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      uint32_t w[kParts<T>][4], columns[Factor<T>::kParts][2][2];
#pragma unroll
      for (int part = 0; part < kParts<T>; part++) {
        read_fragment(*reinterpret_cast<const uint4*>(
                          projections_ + ((part * kSteps + 2 * u + half) * kWarp + lane) * 16),
                      w[part]);
      }
#pragma unroll
      for (int i = 0; i < 4; i++) {
        uint32_t own[Factor<T>::kParts];
        to_parts<Type>(x[i / 2], 2 * half + i % 2, own);
#pragma unroll
        for (int part = 0; part < Factor<T>::kParts; part++) {
          columns[part][i / 2][i % 2] = own[part];
        }
      }
      add_product<Type>(at, w, columns);
    }
  }
  /// The offsets in the table of projections g (0, 1) and g + 8; the last steps, which nearly every
  /// table does with, without a loop.
  __device__ void search(const float (&at)[4], uint32_t (&offset)[4]) const {
    const uint32_t before = shared_address(knots_) - 4;
    uint32_t last[4] = {before, before, before, before};
    const auto halve = [&](int bytes) {
#pragma unroll
      for (int i = 0; i < 4; i++) advance_if_reached(last[i], bytes, at[i]);
    };
    for (int step = 2 << map_.halvings; step > 4 * kLastStep; step >>= 1) halve(step);
#pragma unroll
    for (int step = 4 * kLastStep; step >= 4; step >>= 1) halve(step);
    // A knot is 4 bytes, a row of the table `line`.
    const uint32_t line = kLineBytes * map_.copies, end = before + 4 * (map_.segments - 1);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const uint32_t first = first_[threadIdx.x % kWarp / 4 + i / 2 * 8];
      offset[i] = min(last[i], end) * (line / 4) + (first * line - before * (line / 4));
    }
  }

  unsigned char* const projections_;
  float* const bias_;
  int32_t* const first_;
  float* const knots_;
  unsigned char* const table_;
  unsigned char* const lines_;  ///< what this lane looks up of row 0
  const Map& map_;
};

}  // namespace luna::tensor
