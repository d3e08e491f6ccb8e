// Where tokens meet the table of psi: of every token and projection t = W x + b and the row of the
// table that t lies in, found by tensor cores and a binary search and kept in shared memory.
#pragma once

#include <cmath>

#include "generators/attention/tensor/mma.cuh"

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

/// One (b, h) of [B, H, N, ..] from token n on.
template <typename T>
__device__ inline const T* from_token(const Tokens& tokens, int b, int h, int n) {
  return static_cast<const T*>(tokens.data) + int64_t{b} * tokens.batch + int64_t{h} * tokens.head +
         int64_t{n} * tokens.token;
}

/// Rows of the tokens first + 8 i of a head (of this lane's quad): whether they are there, which is
/// where they exist and their weight is not zero, and what they hold.
template <typename T, int kSize>
class Rows {
 public:
  __device__ Rows(const Problem& side, const Tokens& rows, int b, int h, int first)
      : left_(side.tokens - first),
        some_(from_token<T>(rows, b, h, 0)),
        row_(from_token<T>(rows, b, h, first) + 8 * (threadIdx.x % 4)),
        stride_(rows.token),
        weight_(from_token<float>(side.weight, b, h, first)),
        weight_stride_(side.weight.token) {}

  /// From here on `tokens` further.
  __device__ void advance(int tokens) {
    left_ -= tokens;
    row_ += int64_t{tokens} * stride_;
    weight_ += int64_t{tokens} * weight_stride_;
  }
  __device__ float weight(int row) const {
    return 8 * row < left_ ? weight_[int64_t{8 * row} * weight_stride_] : 0.0f;
  }
  /// Rows 0 and 1: lane t of a quad has elements 8 t .. of every 32; zeros where they are not
  /// there.
  __device__ void load(int u, Eight<T> (&x)[2]) const {
#pragma unroll
    for (int row = 0; row < 2; row++) {
      const T* const from = 8 * row < left_ ? row_ + int64_t{8 * row} * stride_ : some_;
      x[row] = Eight<T>::load(from + 32 * u);
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
      x[row].keep_if(weight(row) != 0);
    }
  }

 private:
  int left_;
  const T* const some_;  ///< of a token that exists
  const T* row_;
  const int32_t stride_;
  const float* weight_;
  const int32_t weight_stride_;
};

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
    for (int i = threadIdx.x; i < map_.rows * kChannels / 2; i += blockDim.x) {
      const int row = i / (kChannels / 2), channel = i % (kChannels / 2) * 2;
      const float2* const from =
          reinterpret_cast<const float2*>(map_.table + row * 2 * kChannels + channel);
      const float2 slopes = from[0], intercepts = from[kChannels / 2];
      unsigned char* const to = table_ + row * kLineBytes * map_.copies +
                                channel / kChunk * kChunkBytes * map_.copies + channel % kChunk * 8;
      for (int copy = 0; copy < map_.copies; copy++) {
        *reinterpret_cast<float4*>(to + copy * kChunkBytes) =
            make_float4(slopes.x, intercepts.x, slopes.y, intercepts.y);
      }
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
      uint32_t row[4];
      search(at[eight], row);
#pragma unroll
      for (int i = 0; i < 4; i++) row[i] += first_[g + i / 2 * 8];
#pragma unroll
      for (int upper = 0; upper < 2; upper++) {
        const float t[2] = {at[eight][2 * upper], at[eight][2 * upper + 1]};
        put(sites, eight, g + 8 * upper, t, row[2 * upper], row[2 * upper + 1]);
      }
    }
  }

  /// Lookup::channel: of tokens 8 eight + 2 t and the next: t, then both rows in one word, then
  /// their offsets in the table.
  __device__ static float4 sites_of(const unsigned char* sites, int eight, int projection) {
    return reinterpret_cast<const float4*>(
        sites)[(eight * kProjections + projection) * 4 + threadIdx.x % 4];
  }
  __device__ float2 line(uint32_t offset) const {
    return *reinterpret_cast<const float2*>(lines_ + offset);
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

  __device__ static int lane_offset(int copies) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    return kLookup == Lookup::channel
               ? g / 4 * kChunkBytes * copies + (t & (copies - 1)) * kChunkBytes + g % 4 * 8
               : (g & (copies - 1)) * kChunkBytes + t * 16;
  }

  /// The sites of tokens 2 t and 2 t + 1 of that eight.
  __device__ void put(unsigned char* sites, int eight, int projection, const float (&t)[2],
                      uint32_t row0, uint32_t row1) const {
    const int pair = threadIdx.x % 4, line = kLineBytes * map_.copies;
    if (kLookup == Lookup::channel) {
      const uint32_t rows = row0 | row1 << 16;
      reinterpret_cast<float4*>(sites)[(eight * kProjections + projection) * 4 + pair] =
          make_float4(t[0], t[1], __uint_as_float(rows), __uint_as_float(rows * line));
      return;
    }
    unsigned char* const to = sites + (8 * eight + 2 * pair) * kSiteBytes + projection * 8;
    *reinterpret_cast<float2*>(to) = make_float2(t[0], __uint_as_float(row0 * line));
    *reinterpret_cast<float2*>(to + kSiteBytes) = make_float2(t[1], __uint_as_float(row1 * line));
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
  /// The segment of each; the last steps, which nearly every table does with, without a loop.
  __device__ void search(const float (&at)[4], uint32_t (&segment)[4]) const {
    const uint32_t before = shared_address(knots_) - 4;
    uint32_t last[4] = {before, before, before, before};
    const auto halve = [&](int bytes) {
#pragma unroll
      for (int i = 0; i < 4; i++) advance_if_reached(last[i], bytes, at[i]);
    };
    for (int step = 2 << map_.halvings; step > 4 * kLastStep; step >>= 1) halve(step);
#pragma unroll
    for (int step = 4 * kLastStep; step >= 4; step >>= 1) halve(step);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      segment[i] = min((last[i] - before) / 4, map_.segments - 1u);
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

/// The address that a lane gives load_columns for rows `first` .. and columns 0 .. of a matrix.
__device__ inline uint32_t column_address(const unsigned char* matrix, int pitch, int first) {
  const int lane = threadIdx.x % kWarp;
  return shared_address(matrix + (first + lane % 16) * pitch + lane / 16 * 16);
}

}  // namespace luna::tensor
