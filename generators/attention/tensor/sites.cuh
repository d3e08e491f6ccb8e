// Where tokens meet the table of psi: of every token and projection t = W x + b and the row of the
// table that t lies in, found by tensor cores and a binary search and kept in shared memory.
#pragma once

#include <cmath>

#include "generators/attention/tensor/mma.cuh"

namespace luna::tensor {

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

/// The map's parameters of one group of projections in shared memory.
template <typename T, int kSize>
class SharedMap {
 public:
  __device__ SharedMap(unsigned char* memory, unsigned char* table, const Map& map)
      : projections_(memory),
        bias_(reinterpret_cast<float*>(memory + 2 * kParts<T> * kProjections * kSize)),
        first_(reinterpret_cast<int32_t*>(bias_ + kProjections)),
        knots_(reinterpret_cast<float*>(table)),
        table_(table + 4 * staged_knots(map.halvings)),
        map_(map) {}

  /// By all threads; a barrier must follow.
  __device__ void stage_table() {
    for (int i = threadIdx.x; i < staged_knots(map_.halvings); i += blockDim.x) {
      knots_[i] = i < 1 << map_.halvings ? map_.knots[i] : INFINITY;
    }
    for (int i = threadIdx.x; i < map_.rows * kChannels; i += blockDim.x) {
      const int row = i / kChannels, channel = i % kChannels;
      const float* const from = map_.table + row * 2 * kChannels + channel;
      *reinterpret_cast<float2*>(table_ + row * kLineBytes + channel * 8) =
          make_float2(from[0], from[kChannels]);
    }
  }
  /// W as fragments: for every step of 16 elements the registers of a lane side by side. Lane t of
  /// a row of x holds elements 8 t .. of every 32, whatever mma calls them.
  __device__ void stage_group(int group) {
    const float* const from = map_.projections + group * kProjections * kSize;
    uint32_t* const to = reinterpret_cast<uint32_t*>(projections_);
    const int reg = threadIdx.x % 4, lane = threadIdx.x / 4 % kWarp;
    const float* const row = from + (lane / 4 + reg % 2 * 8) * kSize + lane % 4 * 8 + reg / 2 * 2;
    for (int step = threadIdx.x / (4 * kWarp); step < kSteps; step += blockDim.x / (4 * kWarp)) {
      const float2 two = *reinterpret_cast<const float2*>(row + step / 2 * 32 + step % 2 * 4);
      uint32_t* const word = to + (step * kWarp + lane) * 4 + reg;
      uint32_t parts[kParts<T>];
      split<typename Factor<T>::Type>(two.x, two.y, parts);
#pragma unroll
      for (int part = 0; part < kParts<T>; part++) word[part * kWords] = parts[part];
    }
    for (int i = threadIdx.x; i < kProjections; i += blockDim.x) {
      bias_[i] = map_.bias[group * kProjections + i];
      first_[i] = map_.first_row[group * kProjections + i] * kLineBytes;
    }
  }

  /// The sites of 16 tokens of a warp: x as Rows::load gives it.
  __device__ void locate(const Rows<T, kSize>& x, unsigned char* sites) const {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    float at[2][4];
    project(x, at);
#pragma unroll
    for (int eight = 0; eight < 2; eight++) {
      int passed[4];
      search(at[eight], passed);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int projection = g + i / 2 * 8, token = 8 * eight + 2 * t + i % 2;
        *reinterpret_cast<float2*>(sites + token * kSiteBytes + projection * 8) =
            make_float2(at[eight][i], line_of(projection, passed[i]));
      }
    }
  }

  /// A line (slope, intercept) of one channel, or of two neighbours, at a site's row.
  __device__ float2 line(float row, int channel) const {
    return *reinterpret_cast<const float2*>(table_ + __float_as_int(row) + channel * 8);
  }
  __device__ float4 lines(float row, int channel) const {
    return *reinterpret_cast<const float4*>(table_ + __float_as_int(row) + channel * 8);
  }
  __device__ float feature(float slope, float intercept, float t) const {
    return floor_at(fmaf(slope, t, intercept), map_.floor);
  }
  __device__ float floor() const { return map_.floor; }

 private:
  static constexpr int kSteps = kSize / 16;
  static constexpr int kWords = kProjections * kSize / 2;

  /// Of tokens 2 t and 2 t + 1 of every eight: projections g, then g + 8.
  __device__ void project(const Rows<T, kSize>& x, float (&at)[2][4]) const {
    using Type = typename Factor<T>::Type;
    const int lane = threadIdx.x % kWarp, g = lane / 4;
#pragma unroll
    for (int i = 0; i < 8; i++) at[i / 4][i % 4] = bias_[g + i % 4 / 2 * 8];
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) {
      Eight<T> given[2];
      x.load(u, given);
#pragma unroll
      for (int half = 0; half < 2; half++) {
        uint32_t own[2][2][Factor<T>::kParts];
#pragma unroll
        for (int i = 0; i < 4; i++)
          to_parts<Type>(given[i / 2], 2 * half + i % 2, own[i / 2][i % 2]);
        uint32_t w[kParts<T>][4], columns[Factor<T>::kParts][2][2];
#pragma unroll
        for (int part = 0; part < kParts<T>; part++) {
          const uint4 rows = *reinterpret_cast<const uint4*>(
              projections_ + ((part * kSteps + 2 * u + half) * kWarp + lane) * 16);
          w[part][0] = rows.x;
          w[part][1] = rows.y;
          w[part][2] = rows.z;
          w[part][3] = rows.w;
        }
#pragma unroll
        for (int part = 0; part < Factor<T>::kParts; part++) {
#pragma unroll
          for (int i = 0; i < 4; i++) columns[part][i / 2][i % 2] = own[i / 2][i % 2][part];
        }
        add_product<Type>(at, w, columns);
      }
    }
  }
  /// Four times the number of knots <= each; the last steps, which nearly every table does with,
  /// without a loop.
  __device__ void search(const float (&at)[4], int (&passed)[4]) const {
    const uint32_t before = shared_address(knots_) - 4;
    uint32_t last[4] = {before, before, before, before};
    const auto halve = [&](int bytes) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (load_shared(last[i] + bytes) <= at[i]) last[i] += bytes;
      }
    };
    for (int step = 2 << map_.halvings; step > 4 * kLastStep; step >>= 1) halve(step);
#pragma unroll
    for (int step = 4 * kLastStep; step >= 4; step >>= 1) halve(step);
#pragma unroll
    for (int i = 0; i < 4; i++) passed[i] = static_cast<int>(last[i] - before);
  }
  /// The offset of the row in the table, as the bits of a float; passed: four times the number.
  __device__ float line_of(int projection, int passed) const {
    const int segment4 = min(passed, 4 * (map_.segments - 1));
    return __int_as_float(first_[projection] + segment4 * (kLineBytes / 4));
  }

  unsigned char* const projections_;
  float* const bias_;
  int32_t* const first_;
  float* const knots_;
  unsigned char* const table_;
  const Map& map_;
};

/// The address that a lane gives load_columns for rows `first` .. and columns 0 .. of a matrix.
__device__ inline uint32_t column_address(const unsigned char* matrix, int pitch, int first) {
  const int lane = threadIdx.x % kWarp;
  return shared_address(matrix + (first + lane % 16) * pitch + lane / 16 * 16);
}

}  // namespace luna::tensor
