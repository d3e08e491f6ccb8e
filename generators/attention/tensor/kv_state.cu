// kv_state on tensor cores: sum_n scale_n phi(x_n) (x) [v_n, last_n / scale_n] over the tokens of a
// slot. Features (and v, where it is float16) are two numbers of bfloat16 each, rounded and rest;
// so is the last column, in two columns. Sums are float32.
#include "generators/attention/tensor/sites.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize>
class State {
 public:
  static constexpr int kTiles = kSize / 8 + 1;  ///< of 8 columns: v, then the last one
  static constexpr int kPitch = row_bytes(kSize);
  static constexpr int kValueParts = kBrainParts<T>;
  using Map = SharedMap<T, kSize, Lookup::channel>;

  __device__ State(const StateArguments& a, unsigned char* memory)
      : a_(a),
        group_(blockIdx.x % a.side.map.groups),
        slot_(blockIdx.x / a.side.map.groups),
        b_(blockIdx.z),
        h_(blockIdx.y),
        warp_(threadIdx.x / kWarp),
        values_(memory + map_bytes(kSize)),
        sites_(values_ + kValueParts * kStateTokens * kPitch),
        scale_(reinterpret_cast<float*>(sites_ + kStateWarps * kPairSites)),
        map_(memory, memory + state_bytes(kSize, kValueParts), a.side.map) {}

  __device__ void run() {
    map_.stage_table();
    map_.stage_group(group_);
    const int first = slot_ * a_.slot_tokens, end = min(first + a_.slot_tokens, a_.side.tokens);
    Rows<T, kSize> x(a_.side, a_.side.x, b_, h_, first + 16 * warp_ + threadIdx.x % kWarp / 4);
    Values v(a_, b_, h_, first);
    for (int n = first; n < end; n += kStateTokens) {
      __syncthreads();
      stage(v, n);
      uint4 own[2][kSize / 32];
      x.load(own);
      map_.locate(own, sites_ + warp_ * kPairSites);
      __syncthreads();
#pragma unroll 1
      for (int step = 0; step < kStateTokens; step += 16) add(step);
      x.advance(kStateTokens);
      v.advance();
    }
    write();
  }

 private:
  static constexpr int kVectors = kSize / 8;  ///< of a row of v
  static constexpr int kRowsAtOnce = kStateWarps * kWarp / kVectors;

  /// What a thread stages of v: rows row() + k kRowsAtOnce of the tokens first ..
  struct Values {
    const T* const some;  ///< of a token that exists
    const T* v;
    const float* weight;
    const StateArguments& a;

    __device__ static int row() { return threadIdx.x / kVectors; }
    __device__ Values(const StateArguments& a, int b, int h, int first)
        : some(from_token<T>(a.v, b, h, first)),
          v(from_token<T>(a.v, b, h, first + row()) + threadIdx.x % kVectors * 8),
          weight(from_token<float>(a.side.weight, b, h, first + row())),
          a(a) {}
    __device__ void advance() {
      v += int64_t{kStateTokens} * a.v.token;
      weight += int64_t{kStateTokens} * a.side.weight.token;
    }
    __device__ uint4 load(int k, int left) const {
      const int ahead = k * kRowsAtOnce;
      const bool exists = row() + ahead < left;
      const T* const from = exists ? v + int64_t{ahead} * a.v.token : some;
      const uint4 values = *reinterpret_cast<const uint4*>(from);
      return only_if(exists && weight[int64_t{ahead} * a.side.weight.token] != 0, values);
    }
  };

  /// [v, last / scale] and scale of the tokens n ..; zeros for those that are not there.
  __device__ void stage(const Values& from, int n) {
    const int left = a_.side.tokens - n;
    uint4 values[kStateTokens / kRowsAtOnce];
#pragma unroll
    for (int k = 0; k < kStateTokens / kRowsAtOnce; k++) values[k] = from.load(k, left);
#pragma unroll
    for (int k = 0; k < kStateTokens / kRowsAtOnce; k++) {
      uint4 parts[kValueParts];
      to_brain(values[k], parts);
#pragma unroll
      for (int part = 0; part < kValueParts; part++) {
        const int row = part * kStateTokens + k * kRowsAtOnce + Values::row();
        *reinterpret_cast<uint4*>(values_ + row * kPitch + threadIdx.x % kVectors * 16) =
            parts[part];
      }
    }
    if (threadIdx.x >= kStateTokens) return;
    const auto own = [&](const Tokens& of) {
      return *from_token<float>(of, b_, h_, n + static_cast<int>(threadIdx.x));
    };
    const bool there = static_cast<int>(threadIdx.x) < left && own(a_.side.weight) != 0;
    const float scale = there ? own(a_.scale) : 0, last = there ? own(a_.last) : 0;
    const float ratio = scale == 0 ? 0 : __fdividef(last, scale);
    const float rounded = low_of(pair(ratio, 0));
    scale_[threadIdx.x] = scale;
    *reinterpret_cast<uint4*>(values_ + threadIdx.x * kPitch + 2 * kSize) =
        make_uint4(pair(ratio, ratio - rounded), 0, 0, 0);
  }

  /// Features of tokens step .. (rows: channel g of projections p and p + 1), rounded, and the
  /// rest.
  __device__ void features(uint32_t (&phi)[2][4], int projection, int step,
                           const float2 (&scale)[2]) {
    const unsigned char* const sites = sites_ + step / 16 * kPairSites;
#pragma unroll
    for (int eight = 0; eight < 2; eight++) {
#pragma unroll
      for (int row = 0; row < 2; row++) {
        const float4 site = Map::sites_of(sites, eight, projection + row);
        const uint32_t offsets = __float_as_uint(site.w);
        const float2 first = map_.line(offsets & 0xffff), second = map_.line(offsets >> 16);
        const float low = scale[eight].x * map_.feature(first.x, first.y, site.x);
        const float high = scale[eight].y * map_.feature(second.x, second.y, site.y);
        const uint32_t rounded = pair(low, high);
        phi[0][2 * eight + row] = rounded;
        phi[1][2 * eight + row] = rest(rounded, low, high);
      }
    }
  }

  /// Sums 16 of the staged tokens.
  __device__ void add(int step) {
    const int t = threadIdx.x % 4;
    const float2 scale[2] = {*reinterpret_cast<const float2*>(scale_ + step + 2 * t),
                             *reinterpret_cast<const float2*>(scale_ + step + 8 + 2 * t)};
    uint32_t phi[2][2][4];
#pragma unroll
    for (int p = 0; p < 2; p++) features(phi[p], 4 * warp_ + 2 * p, step, scale);
#pragma unroll
    for (int part = 0; part < kValueParts; part++) {
      const uint32_t address = column_address(values_ + part * kStateTokens * kPitch, kPitch, step);
#pragma unroll
      for (int tile = 0; tile + 1 < kTiles; tile += 2) {
        uint32_t v[4];
        load_columns(v, address + 16 * tile);
#pragma unroll
        for (int p = 0; p < 2; p++) {
          add_product(sum_[p][tile], phi[p], v[0], v[1], part);
          add_product(sum_[p][tile + 1], phi[p], v[2], v[3], part);
        }
      }
    }
    uint32_t last[2];
    load_columns(last,
                 column_address(values_, kPitch, step) + 2 * kSize - threadIdx.x % kWarp / 16 * 16);
#pragma unroll
    for (int p = 0; p < 2; p++) add_product(sum_[p][kTiles - 1], phi[p], last[0], last[1], 0);
  }

  __device__ void write() {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    const int64_t D = int64_t{kFeatures} * a_.side.map.groups;
    const int64_t slot = (int64_t{b_} * a_.side.heads + h_) * a_.slots + slot_;
#pragma unroll
    for (int i = 0; i < 4; i++) {  // projection 4 warp + i: channel g of it
      const int64_t feature = int64_t{kFeatures} * group_ + (4 * warp_ + i) * kChannels + g;
      float* const to = a_.partial + (slot * D + feature) * a_.width;
#pragma unroll
      for (int tile = 0; tile + 1 < kTiles; tile++) {
        const float* const own = sum_[i / 2][tile] + i % 2 * 2;
        *reinterpret_cast<float2*>(to + 8 * tile + 2 * t) = make_float2(own[0], own[1]);
      }
      const float* const last = sum_[i / 2][kTiles - 1] + i % 2 * 2;
      if (t == 0) to[kSize] = last[0] + last[1];
    }
  }

  const StateArguments& a_;
  const int group_, slot_, b_, h_, warp_;
  unsigned char* const values_;
  unsigned char* const sites_;
  float* const scale_;
  Map map_;
  float sum_[2][kTiles][4] = {};  ///< of two pairs of projections
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kStateWarps* kWarp, 3)
    LUNA_KERNEL(const __grid_constant__ StateArguments arguments) {
  State<LUNA_STORAGE, LUNA_SIZE>(arguments, shared).run();
}

}  // namespace luna::tensor
