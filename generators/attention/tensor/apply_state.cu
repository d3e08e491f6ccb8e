// apply_state on tensor cores: den_n = w_n phi(x_n) z and out_n = w_n phi(x_n) S / max(den_n + add,
// clamp). Features, S and z are two numbers of bfloat16 each, rounded and rest; sums are float32.
#include "generators/attention/tensor/products.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize>
class Apply {
 public:
  __device__ Apply(const ApplyArguments& a, unsigned char* memory)
      : a_(a),
        state_(memory + map_bytes(kSize)),
        sites_(memory + map_bytes(kSize) + 2 * kFeatures * kPitch +
               place_.warp * kTokensOfWarp * kSiteBytes),
        map_(memory, memory + apply_bytes(kSize), a.side.map) {}

  __device__ void run() {
    map_.stage_table();
#pragma unroll 1
    for (int group = 0; group < a_.side.map.groups; group++) {
      if (group > 0) __syncthreads();
      map_.stage_group(group);
      state_.stage(place_.state(a_, group), a_.width);
      __syncthreads();
#pragma unroll 1
      for (int part = 0; part < kTokensOfWarp; part += 16) {
        uint4 x[2][kSize / 32];
        place_.rows<T, kSize>(a_.side, a_.side.x, part).load(x);
        map_.locate(x, sites_ + part * kSiteBytes);
      }
      __syncthreads();
#pragma unroll 1
      for (int projection = 0; projection < kProjections; projection += 2) add(projection);
    }
    write();
  }

 private:
  static constexpr int kTiles = SharedState<kSize>::kTiles;
  static constexpr int kPitch = SharedState<kSize>::kPitch;
  static constexpr int kParts = kTokensOfWarp / 16;
  using Map = SharedMap<T, kSize, Lookup::pair>;

  /// Features of 16 tokens (columns: channels of projections p and p + 1), rounded, and the rest.
  __device__ void features(uint32_t (&phi)[2][4], const unsigned char* sites,
                           int projection) const {
#pragma unroll
    for (int row = 0; row < 2; row++) {
      const float4 site = Map::two_sites(sites, row, projection);
#pragma unroll
      for (int next = 0; next < 2; next++) {
        const float at = next ? site.z : site.x;
        const float4 two = map_.lines(next ? site.w : site.y);
        const float low = map_.feature(two.x, two.y, at), high = map_.feature(two.z, two.w, at);
        const uint32_t rounded = pair(low, high);
        phi[0][2 * next + row] = rounded;
        phi[1][2 * next + row] = rest(rounded, low, high);
      }
    }
  }

  /// The part of two projections in the sums: rounded and rest of the features by rounded rows of
  /// the state, rounded ones by what those left.
  __device__ void add(int projection) {
    uint32_t phi[kParts][2][4];
#pragma unroll
    for (int part = 0; part < kParts; part++) {
      features(phi[part], sites_ + 16 * part * kSiteBytes, projection);
    }
    const uint32_t address = column_address(state_.rows(), kPitch, projection * kChannels);
#pragma unroll
    for (int tile = 0; tile + 1 < kTiles; tile += 2) {
#pragma unroll
      for (int rest = 0; rest < 2; rest++) {
        uint32_t s[4];
        load_columns(s, address + rest * SharedState<kSize>::kRest + 16 * tile);
#pragma unroll
        for (int part = 0; part < kParts; part++) {
          add_product(sum_[part][tile], phi[part], s[0], s[1], rest);
          add_product(sum_[part][tile + 1], phi[part], s[2], s[3], rest);
        }
      }
    }
#pragma unroll
    for (int rest = 0; rest < 2; rest++) {
      uint32_t z[2];
      load_columns(z, address + rest * SharedState<kSize>::kRest + 2 * kSize -
                          threadIdx.x % kWarp / 16 * 16);
#pragma unroll
      for (int part = 0; part < kParts; part++) {
        add_product(sum_[part][kTiles - 1], phi[part], z[0], z[1], rest);
      }
    }
  }

  __device__ void write() {
    const int lane = threadIdx.x % kWarp, t = lane % 4;
    int n = place_.first + lane / 4;
    const float* weight_of = place_.at<float>(a_.side.weight, n);
    float* den_of = place_.at<float>(a_.den, n);
    int64_t out = place_.at<T>(a_.out, n) - static_cast<const T*>(a_.out.data) + 8 * t;
#pragma unroll
    for (int row = 0; row < 2 * kParts; row++) {  // 8 tokens
      const bool exists = n < a_.side.tokens;
      const float weight = exists ? *weight_of : 0;
      const float den =
          weight * __shfl_sync(0xffffffffu, sum_[row / 2][kTiles - 1][row % 2 * 2], lane & 28);
      if (exists) {
        const float factor = __fdividef(weight, floor_at(den + a_.add, a_.clamp));
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
  const TokenPlace place_;
  SharedState<kSize> state_;
  unsigned char* const sites_;
  Map map_;
  float sum_[kParts][kTiles][4] = {};
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kTokenWarps* kWarp, 2)
    LUNA_KERNEL(const __grid_constant__ ApplyArguments arguments) {
  Apply<LUNA_STORAGE, LUNA_SIZE>(arguments, shared).run();
}

}  // namespace luna::tensor
