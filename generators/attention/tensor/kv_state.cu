// kv_state (state.cuh) of LUNA's features, psi as a table.
#include "generators/attention/tensor/state.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize>
class TableFeatures {
 public:
  static constexpr int kFeatures = tensor::kFeatures, kTall = 2;
  static constexpr int kBytes = map_bytes(kSize, kPartsOf<T>) + kStateWarps * kPairSites;

  __device__ TableFeatures(const StateArguments& a, unsigned char* memory, unsigned char* table)
      : sites_(memory + map_bytes(kSize, kPartsOf<T>)),
        tokens_(a.side.tokens),
        map_(memory, table, a.side.map) {}

  __device__ void stage(int group) {
    map_.stage_table();
    map_.stage_group(group);
  }
  __device__ void stage_tokens(const HeadTokens& x, int n, uint32_t there) {
    const int g = threadIdx.x % kWarp / 4;
    map_.locate(Rows<T, kSize>(x, n + g, tokens_, there >> g),
                sites_ + threadIdx.x / kWarp * kPairSites);
  }
  /// Of tokens step .. (rows: channel g of projections 4 warp + 2 pair and the next).
  __device__ void features(float2 (&phi)[4], int pair, int step, const float2 (&scale)[2]) const {
    const int projection = 4 * (threadIdx.x / kWarp) + 2 * pair;
    const unsigned char* const sites = sites_ + step / 16 * kPairSites;
#pragma unroll
    for (int eight = 0; eight < 2; eight++) {
#pragma unroll
      for (int row = 0; row < 2; row++) {
        const float4 site = Map::sites_of(sites, eight, projection + row);
        const float2 first = map_.line(site.z), second = map_.line(site.w);
        phi[2 * eight + row] =
            make_float2(scale[eight].x * map_.feature(first.x, first.y, site.x),
                        scale[eight].y * map_.feature(second.x, second.y, site.y));
      }
    }
  }

 private:
  using Map = SharedMap<T, kSize, Lookup::channel>;

  unsigned char* const sites_;
  const int& tokens_;
  Map map_;
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kStateWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ StateArguments arguments) {
  using Passes = State<LUNA_STORAGE, LUNA_SIZE, TableFeatures<LUNA_STORAGE, LUNA_SIZE>>;
  static_assert(Passes::kWarps == kStateWarps && Passes::kTokens == kStateTokens);
  Passes(arguments, shared).run();
}

}  // namespace luna::tensor
