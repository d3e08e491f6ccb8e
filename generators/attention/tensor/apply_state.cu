// apply_state (apply.cuh) of LUNA's features, psi as a table.
#include "generators/attention/tensor/apply.cuh"
#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize>
class TableFeatures {
 public:
  static constexpr int kFeatures = tensor::kFeatures;
  static constexpr bool kSplit = false;
  static constexpr int kBytes =
      map_bytes(kSize, kPartsOf<T>) + block_tokens(kParts<T>) * kSiteBytes;
  using Place = TokenPlace<kParts<T>>;

  __device__ TableFeatures(const Problem& side, const Place& place, unsigned char* memory,
                           unsigned char* table)
      : sites_(memory + map_bytes(kSize, kPartsOf<T>) + place.warp * Place::kTokens * kSiteBytes),
        map_(memory, table, side.map) {}

  __device__ void stage() { map_.stage_table(); }
  __device__ void stage_group(int group) { map_.stage_group(group); }
  __device__ void locate(const Problem& side, const Place& place) {
#pragma unroll 1
    for (int part = 0; part < Place::kTokens; part += 16) {
      map_.locate(place.template rows<T, kSize>(side, side.x, part), sites_ + part * kSiteBytes);
    }
  }
  /// Of tokens 16 i .. (columns: channels of two projections).
  __device__ void features(uint32_t (&phi)[kParts<T>][4], int i, int step) const {
    const unsigned char* const sites = sites_ + 16 * i * kSiteBytes;
    const int projection = step / kChannels;
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

 private:
  using Map = SharedMap<T, kSize, Lookup::pair>;

  unsigned char* const sites_;
  Map map_;
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kTokenWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ ApplyArguments arguments) {
  Apply<LUNA_STORAGE, LUNA_SIZE, TableFeatures<LUNA_STORAGE, LUNA_SIZE>>(arguments, shared).run();
}

}  // namespace luna::tensor
