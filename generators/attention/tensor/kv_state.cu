// kv_state on tensor cores: sum_n scale_n phi(x_n) (x) [v_n, last_n / scale_n] over the tokens of a
// slot. Features are kParts numbers of bfloat16 each, v as many as hold it; so is the last column,
// in columns beside each other. Sums are float32.
#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize>
class State {
 public:
  static constexpr int kTiles = kSize / 8 + 1;  ///< of 8 columns: v, then the last one
  static constexpr int kPitch = row_bytes(kSize);
  using Map = SharedMap<T, kSize, Lookup::channel>;

  __device__ State(const StateArguments& a, unsigned char* memory)
      : a_(a),
        b_(blockIdx.z),
        h_(blockIdx.y),
        warp_(threadIdx.x / kWarp),
        values_(memory + map_bytes(kSize, kPartsOf<T>)),
        sites_(values_ + kBrainParts<T> * kStateTokens * kPitch),
        scale_(reinterpret_cast<float*>(sites_ + kStateWarps * kPairSites)),
        map_(memory, memory + state_bytes(kSize, kPartsOf<T>), a.side.map) {}

  __device__ void run() {
    map_.stage_table();
    map_.stage_group(group());
    int n = slot() * a_.slot_tokens;
    for (int left = min(a_.slot_tokens, a_.side.tokens - n); left > 0; left -= kStateTokens) {
      __syncthreads();
      stage(Values(a_, b_, h_, n), n);
      Rows<T, kSize> x(a_.side, a_.side.x, b_, h_, n + 16 * warp_ + threadIdx.x % kWarp / 4);
      map_.locate(x, sites_ + warp_ * kPairSites);
      __syncthreads();
#pragma unroll 1
      for (int step = 0; step < kStateTokens; step += 16) add(step);
      n += kStateTokens;
    }
    write();
  }

 private:
  static constexpr int kVectors = kSize / 8;  ///< of a row of v
  static constexpr int kRowsAtOnce = kStateWarps * kWarp / kVectors;
  /// Rows that a thread has under way: more than two of float32 are beyond the registers.
  static constexpr int kBatch = sizeof(T) > 2 ? 2 : kStateTokens / kRowsAtOnce;

  /// What a thread stages of v: rows row() + k kRowsAtOnce of the tokens first ..
  struct Values {
    const T* v;
    const float* weight;
    const StateArguments& a;

    __device__ static int row() { return threadIdx.x / kVectors; }
    __device__ Values(const StateArguments& a, int b, int h, int first)
        : v(from_token<T>(a.v, b, h, first + row()) + threadIdx.x % kVectors * 8),
          weight(from_token<float>(a.side.weight, b, h, first + row())),
          a(a) {}
    __device__ void advance() {
      v += int64_t{kStateTokens} * a.v.token;
      weight += int64_t{kStateTokens} * a.side.weight.token;
    }
    __device__ Eight<T> load(int ahead, int left) const {
      const bool exists = row() + ahead < left;  // else the last token's
      Eight<T> values = Eight<T>::load(v + int64_t{min(ahead, left - 1 - row())} * a.v.token);
      values.keep_if(exists && weight[int64_t{ahead} * a.side.weight.token] != 0);
      return values;
    }
  };

  __device__ void store(const Eight<T>& values, int row) {
    uint32_t parts[4][kBrainParts<T>];
#pragma unroll
    for (int i = 0; i < 4; i++) to_parts<__nv_bfloat16>(values, i, parts[i]);
#pragma unroll
    for (int part = 0; part < kBrainParts<T>; part++) {
      *reinterpret_cast<uint4*>(values_ + (part * kStateTokens + row) * kPitch +
                                threadIdx.x % kVectors * 16) =
          make_uint4(parts[0][part], parts[1][part], parts[2][part], parts[3][part]);
    }
  }

  /// [v, last / scale] and scale of the tokens n ..; zeros for those that are not there.
  __device__ void stage(const Values& from, int n) {
    const int left = a_.side.tokens - n;
#pragma unroll 1
    for (int ahead = 0; ahead < kStateTokens; ahead += kBatch * kRowsAtOnce) {
      Eight<T> values[kBatch];
#pragma unroll
      for (int k = 0; k < kBatch; k++) values[k] = from.load(ahead + k * kRowsAtOnce, left);
#pragma unroll
      for (int k = 0; k < kBatch; k++) {
        store(values[k], ahead + k * kRowsAtOnce + Values::row());
      }
    }
    if (threadIdx.x >= kStateTokens) return;
    const auto own = [&](const Tokens& of) {
      return *from_token<float>(of, b_, h_, n + static_cast<int>(threadIdx.x));
    };
    const bool there = static_cast<int>(threadIdx.x) < left && own(a_.side.weight) != 0;
    const float scale = there ? own(a_.scale) : 0, last = there ? own(a_.last) : 0;
    uint32_t ratio[kParts<T>];
    split<__nv_bfloat16>(scale == 0 ? 0 : divide<T>(last, scale), 0, ratio);
    scale_[threadIdx.x] = scale;
    const uint32_t third = kParts<T> > 2 ? ratio[kParts<T> - 1] : 0;
    *reinterpret_cast<uint4*>(values_ + threadIdx.x * kPitch + 2 * kSize) =
        make_uint4(ratio[0] | ratio[1] << 16, third, 0, 0);
  }

  /// Features of tokens step .. (rows: channel g of projections p and p + 1).
  __device__ void features(uint32_t (&phi)[kParts<T>][4], int projection, int step,
                           const float2 (&scale)[2]) {
    const unsigned char* const sites = sites_ + step / 16 * kPairSites;
#pragma unroll
    for (int eight = 0; eight < 2; eight++) {
#pragma unroll
      for (int row = 0; row < 2; row++) {
        const float4 site = Map::sites_of(sites, eight, projection + row);
        const uint32_t offsets = __float_as_uint(site.w);
        const float2 first = map_.line(offsets & 0xffff), second = map_.line(offsets >> 16);
        uint32_t parts[kParts<T>];
        split<__nv_bfloat16>(scale[eight].x * map_.feature(first.x, first.y, site.x),
                             scale[eight].y * map_.feature(second.x, second.y, site.y), parts);
#pragma unroll
        for (int part = 0; part < kParts<T>; part++) phi[part][2 * eight + row] = parts[part];
      }
    }
  }

  /// Sums 16 of the staged tokens.
  __device__ void add(int step) {
    const int t = threadIdx.x % 4;
    const float2 scale[2] = {*reinterpret_cast<const float2*>(scale_ + step + 2 * t),
                             *reinterpret_cast<const float2*>(scale_ + step + 8 + 2 * t)};
    uint32_t phi[2][kParts<T>][4];
#pragma unroll
    for (int p = 0; p < 2; p++) features(phi[p], 4 * warp_ + 2 * p, step, scale);
    const uint32_t address = column_address(values_, kPitch, step);
#pragma unroll
    for (int tile = 0; tile + 1 < kTiles; tile += 2) {
      uint32_t v[kBrainParts<T>][2][2];
#pragma unroll
      for (int part = 0; part < kBrainParts<T>; part++) {
        load_columns(v[part], address + part * kStateTokens * kPitch + 16 * tile);
      }
#pragma unroll
      for (int p = 0; p < 2; p++) add_product<__nv_bfloat16>(sum_[p] + tile, phi[p], v);
    }
    uint32_t last[1][1][2];
    load_columns(last[0], address + 2 * kSize - threadIdx.x % kWarp / 16 * 16);
#pragma unroll
    for (int p = 0; p < 2; p++) add_product<__nv_bfloat16>(sum_[p] + kTiles - 1, phi[p], last);
  }

  /// blockIdx.x, read anew each time: no register keeps it through the loop.
  __device__ static int block() {
    int x;
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(x));
    return x;
  }
  __device__ int slot() const { return block() / a_.side.map.groups; }
  __device__ int group() const { return block() % a_.side.map.groups; }

  __device__ void write() {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    const int64_t D = int64_t{kFeatures} * a_.side.map.groups;
    const int64_t own_slot = (int64_t{b_} * a_.side.heads + h_) * a_.slots + slot();
#pragma unroll
    for (int i = 0; i < 4; i++) {  // projection 4 warp + i: channel g of it
      const int64_t feature = int64_t{kFeatures} * group() + (4 * warp_ + i) * kChannels + g;
      float* const to = a_.partial + (own_slot * D + feature) * a_.width;
#pragma unroll
      for (int tile = 0; tile + 1 < kTiles; tile++) {
        const float* const own = sum_[i / 2][tile] + i % 2 * 2;
        *reinterpret_cast<float2*>(to + 8 * tile + 2 * t) = make_float2(own[0], own[1]);
      }
      const float* const last = sum_[i / 2][kTiles - 1] + i % 2 * 2;
      float own = last[0] + last[1];
      if (kParts<T> == 3) own += __shfl_down_sync(0xffffffffu, last[0], 1);
      if (t == 0) to[kSize] = own;
    }
  }

  const StateArguments& a_;
  const int b_, h_, warp_;
  unsigned char* const values_;
  unsigned char* const sites_;
  float* const scale_;
  Map map_;
  float sum_[2][kTiles][4] = {};  ///< of two pairs of projections
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kStateWarps* kWarp,
                                             kBrainParts<LUNA_STORAGE> == 1 ? 4 : 3)
    LUNA_KERNEL(const __grid_constant__ StateArguments arguments) {
  State<LUNA_STORAGE, LUNA_SIZE>(arguments, shared).run();
}

}  // namespace luna::tensor
