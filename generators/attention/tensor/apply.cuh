// apply_state on tensor cores: den_n = w_n phi(x_n) z and out_n = w_n phi(x_n) S / max(den_n + add,
// clamp). Features, S and z are kParts numbers of bfloat16 each; sums are float32.
#pragma once

#include "generators/attention/tensor/products.cuh"

namespace luna::tensor {

/// A Source says the features: stage() and stage_group(..), by all threads, and locate(..), by the
/// warp, put in its kBytes of shared memory (and behind all else) what features(..) reads.
template <typename T, int kSize, typename Source>
class Apply {
 public:
  __device__ Apply(const ApplyArguments& a, unsigned char* memory)
      : a_(a),
        state_(memory + Source::kBytes),
        source_(a.side, place_, memory, memory + Source::kBytes + State::kBytes) {}

  __device__ void run() {
    source_.stage();
#pragma unroll 1
    for (int group = 0; group < a_.side.map.groups; group++) {
      if (group > 0) __syncthreads();
      source_.stage_group(group);
      state_.stage(place_.state(a_, group, Source::kFeatures), a_.width);
      __syncthreads();
      source_.locate(a_.side, place_);
      __syncthreads();
#pragma unroll 1
      for (int step = 0; step < Source::kFeatures; step += 16) add(step);
    }
    write();
  }

 private:
  using Place = TokenPlace<kParts<T>>;
  using State = SharedState<kSize, kParts<T>, Source::kFeatures, Source::kSplit>;
  static constexpr int kTiles = State::kTiles;
  static constexpr int kTokens = Place::kTokens;

  /// What features step .. + 15 add to the sums.
  __device__ void add(int step) {
    uint32_t phi[kTokens / 16][kParts<T>][4];
#pragma unroll
    for (int i = 0; i < kTokens / 16; i++) {
      source_.features(phi[i], i, step);
    }
    const uint32_t address = column_address(state_.rows(), State::kPitch, step);
#pragma unroll
    for (int tile = 0; tile + 1 < kTiles; tile += 2) {
      add_tiles<2>(tile, phi, address + 16 * tile);
    }
    add_tiles<1>(kTiles - 1, phi, address + 2 * kSize - threadIdx.x % kWarp / 16 * 16);
  }
  template <int kCount>
  __device__ void add_tiles(int tile, const uint32_t (&phi)[kTokens / 16][kParts<T>][4],
                            uint32_t address) {
    uint32_t s[kParts<T>][kCount][2];
#pragma unroll
    for (int part = 0; part < kParts<T>; part++) {
      load_columns(s[part], address + part * State::kPart);
    }
#pragma unroll
    for (int i = 0; i < kTokens / 16; i++) {
      add_product<__nv_bfloat16>(sum_[i] + tile, phi[i], s);
    }
  }

  __device__ void write() {
    const int lane = threadIdx.x % kWarp, t = lane % 4;
    int n = place_.first + lane / 4;
    const float* weight_of = place_.template at<float>(a_.side.weight, n);
    float* den_of = place_.template at<float>(a_.den, n);
    int64_t out = place_.template at<T>(a_.out, n) - static_cast<const T*>(a_.out.data) + 8 * t;
#pragma unroll
    for (int row = 0; row < kTokens / 8; row++) {  // 8 tokens
      const bool exists = n < a_.side.tokens;
      const float weight = exists ? *weight_of : 0;
      const float den =
          weight * __shfl_sync(0xffffffffu, sum_[row / 2][kTiles - 1][row % 2 * 2], lane & 28);
      if (exists) {
        const float rule = floor_at(den + a_.add, a_.clamp);
        const float factor = weight == 0 ? 0 : divide<T>(weight, rule);
        a_.wide ? write_row<float>(row, out, factor) : write_row<T>(row, out, factor);
        if (t == 0) *den_of = den;
      }
      n += 8;
      weight_of += int64_t{8} * a_.side.weight.token;
      den_of += int64_t{8} * a_.den.token;
      out += int64_t{8} * a_.out.token;
    }
  }

  template <typename Out>
  __device__ void write_row(int row, int64_t place, float factor) {
    Out* const out = static_cast<Out*>(const_cast<void*>(a_.out.data)) + place;
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) {
      float eight[8];
#pragma unroll
      for (int i = 0; i < 8; i++) {
        eight[i] = factor * sum_[row / 2][4 * u + i / 2][row % 2 * 2 + i % 2];
      }
      store_eight(out + 32 * u, eight);
    }
  }

  const ApplyArguments& a_;
  const Place place_;
  State state_;
  Source source_;
  float sum_[kTokens / 16][kTiles][4] = {};
};

}  // namespace luna::tensor
