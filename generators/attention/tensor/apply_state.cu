// apply_state on tensor cores: den_n = w_n phi(x_n) z and out_n = w_n phi(x_n) S / max(den_n + add,
// clamp). Features, S and z are kParts numbers of bfloat16 each; sums are float32.
#include "generators/attention/tensor/products.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize>
class Apply {
 public:
  __device__ Apply(const ApplyArguments& a, unsigned char* memory)
      : a_(a),
        state_(memory + map_bytes(kSize, kPartsOf<T>)),
        sites_(memory + map_bytes(kSize, kPartsOf<T>) + factors_bytes(kSize, kPartsOf<T>) +
               place_.warp * kTokens * kSiteBytes),
        map_(memory, memory + apply_bytes(kSize, kPartsOf<T>), a.side.map) {}

  __device__ void run() {
    map_.stage_table();
#pragma unroll 1
    for (int group = 0; group < a_.side.map.groups; group++) {
      if (group > 0) __syncthreads();
      map_.stage_group(group);
      state_.stage(place_.state(a_, group), a_.width);
      __syncthreads();
#pragma unroll 1
      for (int part = 0; part < kTokens; part += 16) {
        map_.locate(place_.template rows<T, kSize>(a_.side, a_.side.x, part),
                    sites_ + part * kSiteBytes);
      }
      __syncthreads();
#pragma unroll 1
      for (int projection = 0; projection < kProjections; projection += 2) add(projection);
    }
    write();
  }

 private:
  using Place = TokenPlace<kParts<T>>;
  using State = SharedState<kSize, kParts<T>>;
  static constexpr int kTiles = State::kTiles;
  using Map = SharedMap<T, kSize, Lookup::pair>;
  static constexpr int kTokens = Place::kTokens;

  /// Features of 16 tokens (columns: channels of projections p and p + 1).
  __device__ void features(uint32_t (&phi)[kParts<T>][4], const unsigned char* sites,
                           int projection) const {
#pragma unroll
    for (int row = 0; row < 2; row++) {
      const float4 site = Map::two_sites(sites, row, projection);
#pragma unroll
      for (int next = 0; next < 2; next++) {
        const float at = next ? site.z : site.x;
        const float4 two = map_.lines(next ? site.w : site.y);
        const float low = map_.feature(two.x, two.y, at), high = map_.feature(two.z, two.w, at);
        uint32_t parts[kParts<T>];
        split<__nv_bfloat16>(low, high, parts);
#pragma unroll
        for (int part = 0; part < kParts<T>; part++) phi[part][2 * next + row] = parts[part];
      }
    }
  }

  /// What two projections add to the sums.
  __device__ void add(int projection) {
    uint32_t phi[kTokens / 16][kParts<T>][4];
#pragma unroll
    for (int i = 0; i < kTokens / 16; i++) {
      features(phi[i], sites_ + 16 * i * kSiteBytes, projection);
    }
    const uint32_t address = column_address(state_.rows(), State::kPitch, projection * kChannels);
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
  unsigned char* const sites_;
  Map map_;
  float sum_[kTokens / 16][kTiles][4] = {};
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kTokenWarps* kWarp, 2)
    LUNA_KERNEL(const __grid_constant__ ApplyArguments arguments) {
  Apply<LUNA_STORAGE, LUNA_SIZE>(arguments, shared).run();
}

}  // namespace luna::tensor
