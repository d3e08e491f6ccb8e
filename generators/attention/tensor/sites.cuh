// Where tokens meet the table of psi: of every token and projection t = W x + b and the row of the
// table that t lies in, found by tensor cores and a binary search and kept in shared memory.
#pragma once

#include "generators/attention/tensor/mma.cuh"

namespace luna::tensor {

/// The map's parameters of one group of projections in shared memory.
template <typename T, int kSize>
class SharedMap {
 public:
  __device__ SharedMap(unsigned char* memory, unsigned char* table, const Map& map)
      : projections_(memory),
        bias_(reinterpret_cast<float*>(memory + 2 * kProjections * kPitch)),
        first_(reinterpret_cast<int32_t*>(bias_ + kProjections)),
        knots_(reinterpret_cast<float*>(table)),
        table_(table + round_up(int64_t{4} << map.halvings, 16)),
        map_(map) {}

  /// By all threads; a barrier must follow.
  __device__ void stage_table() {
    for (int i = threadIdx.x; i < 1 << map_.halvings; i += blockDim.x) knots_[i] = map_.knots[i];
    for (int i = threadIdx.x; i < map_.rows * kChannels; i += blockDim.x) {
      const int row = i / kChannels, channel = i % kChannels;
      const float* const from = map_.table + row * 2 * kChannels + channel;
      *reinterpret_cast<float2*>(table_ + row * kLineBytes + channel * 8) =
          make_float2(from[0], from[kChannels]);
    }
  }
  __device__ void stage_group(int group) {
    const float* const from = map_.projections + group * kProjections * kSize;
    for (int i = threadIdx.x; i < kProjections * kSize; i += blockDim.x) {
      T* const to = reinterpret_cast<T*>(projections_ + i / kSize * kPitch) + i % kSize;
      const T high = narrow<T>(from[i]);
      to[0] = high;
      to[kProjections * kPitch / sizeof(T)] = narrow<T>(from[i] - wide(high));
    }
    for (int i = threadIdx.x; i < kProjections; i += blockDim.x) {
      bias_[i] = map_.bias[group * kProjections + i];
      first_[i] = map_.first_row[group * kProjections + i];
    }
  }

  /// The sites of 16 tokens of a warp: x as load_rows gives it. Half of the projections at a time,
  /// for which the registers last.
  __device__ void locate(const uint4 (&x)[2][kSize / 32], unsigned char* sites) const {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll 1
    for (int first = 0; first < kProjections; first += 8) {
      float at[4];
      project(x, first, at);
      int passed[4] = {};
      for (int step = 1 << map_.halvings >> 1; step > 0; step >>= 1) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          if (knots_[passed[i] + step - 1] <= at[i]) passed[i] += step;
        }
      }
      const int projection = first + 2 * t;
#pragma unroll
      for (int row = 0; row < 2; row++) {
        *reinterpret_cast<float4*>(sites + (g + 8 * row) * kSiteBytes + projection * 8) =
            make_float4(at[2 * row], line_of(projection, passed[2 * row]), at[2 * row + 1],
                        line_of(projection + 1, passed[2 * row + 1]));
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
  static constexpr int kPitch = projection_bytes(kSize);

  /// Projections first + 2 t and the next of tokens g and g + 8. Rows of W as those of x: lane t of
  /// a row holds elements 8 t .. of every 32, whatever mma calls them.
  __device__ void project(const uint4 (&x)[2][kSize / 32], int first, float (&at)[4]) const {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    at[0] = at[2] = bias_[first + 2 * t];
    at[1] = at[3] = bias_[first + 2 * t + 1];
#pragma unroll
    for (int part = 0; part < 2; part++) {  // W rounded, then the rest
      const unsigned char* const row =
          projections_ + (part * kProjections + first + g) * kPitch + 16 * t;
#pragma unroll
      for (int u = 0; u < kSize / 32; u++) {
        const uint4 w = *reinterpret_cast<const uint4*>(row + 64 * u);
        multiply<T>(at, {x[0][u].x, x[1][u].x, x[0][u].y, x[1][u].y}, w.x, w.y);
        multiply<T>(at, {x[0][u].z, x[1][u].z, x[0][u].w, x[1][u].w}, w.z, w.w);
      }
    }
  }
  /// The offset of the row in the table, as the bits of a float.
  __device__ float line_of(int projection, int passed) const {
    return __int_as_float((first_[projection] + min(passed, map_.segments - 1)) * kLineBytes);
  }

  unsigned char* const projections_;
  float* const bias_;
  int32_t* const first_;
  float* const knots_;
  unsigned char* const table_;
  const Map& map_;
};

/// One (b, h) of [B, H, N, ..].
template <typename T>
__device__ inline const T* of_head(const Tokens& tokens, int b, int h) {
  return static_cast<const T*>(tokens.data) + b * tokens.batch + h * tokens.head;
}

/// Whether token n of a head is there: it exists and its weight is not zero.
struct Kept {
  const float* weight;
  int64_t stride;
  int tokens;
  __device__ Kept(const Problem& side, int b, int h)
      : weight(of_head<float>(side.weight, b, h)), stride(side.weight.token), tokens(side.tokens) {}
  __device__ float weight_of(int n) const { return n < tokens ? weight[n * stride] : 0.0f; }
  __device__ bool operator()(int n) const { return weight_of(n) != 0.0f; }
};

/// Rows g and g + 8 of 16 tokens from `first`: lane 4 g + t has elements 8 t .. of every 32; zeros
/// for tokens that are not there.
template <typename T, int kSize>
__device__ inline void load_rows(uint4 (&x)[2][kSize / 32], const T* head, int64_t stride,
                                 int first, const Kept& kept) {
  const int lane = threadIdx.x % kWarp;
#pragma unroll
  for (int row = 0; row < 2; row++) {
    const int n = first + lane / 4 + 8 * row;
    const bool there = kept(n);
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) {
      x[row][u] = there ? *reinterpret_cast<const uint4*>(head + n * stride + 32 * u + 8 * (lane % 4))
                        : make_uint4(0, 0, 0, 0);
    }
  }
}

/// The address that a lane gives load_columns for rows `first` .. and columns 0 .. of a matrix.
__device__ inline uint32_t column_address(const unsigned char* matrix, int pitch, int first) {
  const int lane = threadIdx.x % kWarp;
  return shared_address(matrix + (first + lane % 16) * pitch + lane / 16 * 16);
}

}  // namespace luna::tensor
