// kv_state on tensor cores: sum_n scale_n phi(x_n) (x) [v_n, last_n / scale_n] over the tokens of a
// slot. The last column is kParts numbers of bfloat16, in columns beside each other. Sums are
// float32.
#pragma once

#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {

/// Scaled features of 16 rows and 16 tokens as what multiplies v: kParts numbers of bfloat16 each,
/// and v as many as hold it.
template <typename T>
class StateFeatures {
 public:
  using Stored = __nv_bfloat16;  ///< v in shared memory
  static constexpr int kStored = kPartsOf<T>.summed;
  static constexpr float kRaised = 1;

  /// Of 16 tokens, kTiles times 8 columns, in parts that lie so many bytes apart.
  template <typename, int kCount, int kTiles>
  struct Values {
    uint32_t factors[kCount][kTiles][2];
    __device__ Values(uint32_t address, int apart) {
#pragma unroll
      for (int i = 0; i < kCount; i++) load_columns(factors[i], address + i * apart);
    }
  };

  StateFeatures() = default;
  /// Lane 4 g + t: row g + 8 (i % 2) of tokens 8 (i / 2) + 2 t and the next.
  __device__ explicit StateFeatures(const float2 (&phi)[4]) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      uint32_t parts[kParts<T>];
      split<__nv_bfloat16>(phi[i].x, phi[i].y, parts);
#pragma unroll
      for (int k = 0; k < kParts<T>; k++) factors_[k][i] = parts[k];
    }
  }
  template <int kCount, int kTiles>
  __device__ void add(float (*sum)[4], const Values<Stored, kCount, kTiles>& v) const {
    add_product<__nv_bfloat16>(sum, factors_, v.factors);
  }

 private:
  uint32_t factors_[kParts<T>][4];
};

/// Beside float16 the 11 bits that it has, in float32's range, which features may need: one product
/// of tf32. mma's k = t and t + 4 are tokens 2 t and 2 t + 1, of features and of v alike. Leaving
/// out bits takes half a unit in the last place on average, of a number m in [1, 2) the part
/// 2^-11 / m: ln 2 / 2048 in the mean. Scales are raised by that; a number of 11 bits comes out
/// unchanged. (A device that rounds would have S and z too large by it, and their ratio right.)
template <>
class StateFeatures<__half> {
 public:
  using Stored = __half;
  static constexpr int kStored = kPartsOf<__half>.summed;
  static constexpr float kRaised = 1 + 0.6931f / 2048;

  template <typename From, int, int kTiles>
  struct Values {
    uint32_t factors[2][kTiles][2];  ///< of eight tokens each
    __device__ Values(uint32_t address, int) {
      uint32_t pairs[kTiles][2];
      load_columns(pairs, address);
#pragma unroll
      for (int i = 0; i < 2 * kTiles; i++) {
        const float2 two = two_of<From>(pairs[i / 2][i % 2]);
        factors[i % 2][i / 2][0] = __float_as_uint(two.x);
        factors[i % 2][i / 2][1] = __float_as_uint(two.y);
      }
    }
  };

  StateFeatures() = default;
  __device__ explicit StateFeatures(const float2 (&phi)[4]) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      factors_[i / 2][i % 2] = __float_as_uint(phi[i].x);
      factors_[i / 2][i % 2 + 2] = __float_as_uint(phi[i].y);
    }
  }
  template <typename From, int kCount, int kTiles>
  __device__ void add(float (*sum)[4], const Values<From, kCount, kTiles>& v) const {
#pragma unroll
    for (int i = 0; i < 2 * kTiles; i++) {
      const uint32_t(&own)[2] = v.factors[i / kTiles][i % kTiles];
      multiply_tf32(sum[i % kTiles], factors_[i / kTiles], own[0], own[1]);
    }
  }

 private:
  uint32_t factors_[2][4];
};

/// A Source says the features: kFeatures of a group, of which a warp sums kTall tiles of 16.
/// stage(group) and stage_tokens(..), this warp's 16, put in its kBytes of shared memory (and
/// behind the State's) what features(..) reads after a barrier.
template <typename T, int kSize, typename Source>
class State {
 public:
  static constexpr int kTiles = kSize / 8 + 1;  ///< of 8 columns: v, then the last one
  static constexpr int kPitch = row_bytes(kSize);
  static constexpr int kWarps = Source::kFeatures / (16 * Source::kTall);
  static constexpr int kTokens = 16 * kWarps;  ///< staged at a time

  __device__ State(const StateArguments& a, unsigned char* memory)
      : a_(a),
        warp_(threadIdx.x / kWarp),
        values_(memory + Source::kBytes),
        scale_(reinterpret_cast<float*>(values_ + Features::kStored * kPart)),
        head_(reinterpret_cast<Head*>(scale_ + kTokens)),
        source_(a, memory, reinterpret_cast<unsigned char*>(head_ + 1)) {
    static_assert(sizeof(Head) == kHeadBytes);
  }

  __device__ void run() {
    const unsigned groups = a_.side.map.groups, slot = blockIdx.x / groups;
    source_.stage(blockIdx.x - slot * groups);
    if (threadIdx.x == 0) stage_head(blockIdx.z, blockIdx.y);
    int n = slot * a_.slot_tokens;
    for (const int end = min(n + a_.slot_tokens, a_.side.tokens); n < end; n += kTokens) {
      __syncthreads();
      stage(n + 16 * warp_);
      __syncthreads();
#pragma unroll 1
      for (int step = 0; step < kTokens; step += 16) add(step);
    }
    write();
  }

 private:
  using Features = StateFeatures<T>;
  using Stored = typename Features::Stored;
  template <typename From, int kCount, int kBeside>  ///< tiles
  using Values = typename Features::template Values<From, kCount, kBeside>;
  static constexpr int kPart = kTokens * kPitch;  ///< bytes of a part of v

  /// Rows that a thread has under way: more than two of float32 are beyond the registers.
  static constexpr int kBatch = sizeof(T) > 2 ? 2 : kSize / 16;

  /// Of this block's (b, h).
  struct Head {
    HeadTokens x, v, weight, columns[2];  ///< scale and last
  };

  __device__ void stage_head(int b, int h) {
    head_->x = HeadTokens::of<T>(a_.side.x, b, h);
    head_->v = HeadTokens::of<T>(a_.v, b, h);
    head_->weight = HeadTokens::of<float>(a_.side.weight, b, h);
    head_->columns[0] = HeadTokens::of<float>(a_.scale, b, h);
    head_->columns[1] = HeadTokens::of<float>(a_.last, b, h);
  }

  /// This warp's 16 tokens, n and on: [v, last / scale], scale and what the source reads of them;
  /// zeros for those that are not there.
  __device__ void stage(int n) {
    const uint32_t there = stage_columns(n);
    stage_values(n, there);
    source_.stage_tokens(head_->x, n, there);
  }

  /// Lane i < 16 reads the scale of token n + i, lane 16 + i what it has last. Gives which tokens
  /// are there, by bits.
  __device__ uint32_t stage_columns(int n) {
    const int lane = threadIdx.x % kWarp, row = lane % 16, left = a_.side.tokens - n;
    const int token = n + min(row, left - 1);
    const float weight = *head_->weight.template at<float>(token);
    const float read = *head_->columns[lane / 16].template at<float>(token);
    const bool there = row < left && weight != 0;
    const float scale = there ? read : 0, last = __shfl_down_sync(0xffffffffu, scale, 16);
    uint32_t ratio[kParts<T>];
    split<__nv_bfloat16>(scale == 0 ? 0 : divide<T>(last, scale), 0, ratio);
    if (lane < 16) {
      scale_[16 * warp_ + lane] = Features::kRaised * scale;
      const uint32_t third = kParts<T> > 2 ? ratio[kParts<T> - 1] : 0;
      *reinterpret_cast<uint4*>(values_ + (16 * warp_ + lane) * kPitch + 2 * kSize) =
          make_uint4(ratio[0] | ratio[1] << 16, third, 0, 0);
    }
    return __ballot_sync(0xffffffffu, there);
  }

  __device__ void stage_values(int n, uint32_t there) {
    stage_rows<T, kSize, kBatch>(
        head_->v, n, a_.side.tokens, there, [&](const Eight<T>& values, int row, int vector) {
          store(values, values_ + (16 * warp_ + row) * kPitch + 16 * vector);
        });
  }

  __device__ static void store(const Eight<T>& values, unsigned char* to) {
    uint32_t parts[4][Features::kStored];
#pragma unroll
    for (int i = 0; i < 4; i++) to_parts<Stored>(values, i, parts[i]);
#pragma unroll
    for (int part = 0; part < Features::kStored; part++) {
      *reinterpret_cast<uint4*>(to + part * kPart) =
          make_uint4(parts[0][part], parts[1][part], parts[2][part], parts[3][part]);
    }
  }

  /// Sums 16 of the staged tokens.
  __device__ void add(int step) {
    const int t = threadIdx.x % 4;
    const float2 scale[2] = {*reinterpret_cast<const float2*>(scale_ + step + 2 * t),
                             *reinterpret_cast<const float2*>(scale_ + step + 8 + 2 * t)};
    Features phi[Source::kTall];
#pragma unroll
    for (int p = 0; p < Source::kTall; p++) {
      float2 own[4];
      source_.features(own, p, step, scale);
      phi[p] = Features(own);
    }
    const uint32_t address = column_address(values_, kPitch, step);
#pragma unroll
    for (int tile = 0; tile + 1 < kTiles; tile += 2) {
      const Values<Stored, Features::kStored, 2> v(address + 16 * tile, kPart);
#pragma unroll
      for (int p = 0; p < Source::kTall; p++) phi[p].add(sum_[p] + tile, v);
    }
    const Values<__nv_bfloat16, 1, 1> last(address + 2 * kSize - threadIdx.x % kWarp / 16 * 16,
                                           kPart);
#pragma unroll
    for (int p = 0; p < Source::kTall; p++) phi[p].add(sum_[p] + kTiles - 1, last);
  }

  __device__ void write() const {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    // Of a head the groups of a slot lie beside each other, as blocks do.
    const int64_t head = int64_t{blockIdx.z} * a_.side.heads + blockIdx.y;
    const int64_t block = head * a_.slots * a_.side.map.groups + blockIdx.x;
    float* to =
        a_.partial + (block * Source::kFeatures + 16 * Source::kTall * warp_ + g) * a_.width;
#pragma unroll
    for (int i = 0; i < 2 * Source::kTall; i++) {  // eight features each
#pragma unroll
      for (int tile = 0; tile + 1 < kTiles; tile++) {
        const float* const own = sum_[i / 2][tile] + i % 2 * 2;
        *reinterpret_cast<float2*>(to + 8 * tile + 2 * t) = make_float2(own[0], own[1]);
      }
      const float* const last = sum_[i / 2][kTiles - 1] + i % 2 * 2;
      float own = last[0] + last[1];
      if (kParts<T> == 3) own += __shfl_down_sync(0xffffffffu, last[0], 1);
      if (t == 0) to[kSize] = own;
      to += 8 * a_.width;
    }
  }

  const StateArguments& a_;
  const int warp_;
  unsigned char* const values_;
  float* const scale_;
  Head* const head_;
  Source source_;
  float sum_[Source::kTall][kTiles][4] = {};
};

}  // namespace luna::tensor
