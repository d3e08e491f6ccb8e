// The gradient on tensor cores: dphi_n = scale_n S v_n + last_n z back through phi_l = max(a_l t +
// c_l, floor) and t = W x + b. With dpsi_l = dphi_l above the floor and 0 below, dt = sum_l a_l
// dpsi_l; dx = dt W; over a block's tokens the sums of dt (x) [x, 1] and (compiled with
// LUNA_SUMS=1) of dpsi and dpsi t by segments. Factors of products are kParts numbers of bfloat16
// each, v and x as many as hold them, dpsi by segments two; all else is float32.
#include "generators/attention/tensor/grad_sums.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize, bool kSums>
class Grad {
 public:
  __device__ Grad(const GradArguments& a, unsigned char* memory)
      : a_(a),
        b_(blockIdx.z),
        h_(blockIdx.y),
        warp_(threadIdx.x / kWarp),
        state_(memory + map_bytes(kSize, kPartsOf<T>) + back_bytes(kSize, kPartsOf<T>)),
        last_(reinterpret_cast<float*>(state_ + kFeatures * 2 * kParts<T> * kSize)),
        scratch_(reinterpret_cast<unsigned char*>(last_ + kFeatures)),
        sites_(scratch_ + warp_ * kGradWarpBytes),
        dt_(reinterpret_cast<float*>(sites_ + kPairSites)),
        map_(memory, memory + grad_bytes(kSize, kPartsOf<T>), a.side.map),
        back_(memory + map_bytes(kSize, kPartsOf<T>)) {}

  __device__ void run() {
    const int first = blockIdx.x * kGradTokens;
    const int end = min(first + kGradTokens, a_.side.tokens);
    map_.stage_table();
#pragma unroll 1
    for (int group = 0; group < a_.side.map.groups; group++) {
      if (group > 0) __syncthreads();
      stage(group);
      __syncthreads();
#pragma unroll 1
      for (int n = first + 16 * warp_; n < end; n += 16 * kGradWarps) tokens(n, group);
      if (kSums || a_.partial) {
        back_.total(scratch(), partial() + group * kProjections * (kSize + 1));
      }
    }
    if (kSums) {
      sums_.total(scratch(), partial() + a_.side.map.groups * kProjections * (kSize + 1),
                  a_.side.map.rows);
    }
  }

 private:
  static constexpr int kSteps = kSize / 16;
  /// Fragments of b: for every step its parts, columns: tokens of each eight.
  using Values = uint32_t[kSteps][kBrainParts<T>][2][2];
  using Map = SharedMap<T, kSize, Lookup::channel>;

  __device__ void stage(int group) {
    const int64_t head = int64_t{b_} * a_.key_heads + h_ / a_.group;
    const float* const state =
        a_.state + (head * a_.side.map.groups + group) * kFeatures * a_.width;
    map_.stage_group(group);
    back_.stage(a_.side.map.projections + group * kProjections * kSize);
    stage_fragments<__nv_bfloat16, kParts<T>, kSize, kFeatures / 16>(state, a_.width, state_);
    for (int i = threadIdx.x; i < kFeatures; i += blockDim.x)
      last_[i] = state[i * a_.width + kSize];
  }

  /// 16 tokens from n on.
  __device__ void tokens(int n, int group) {
    __syncwarp();
    map_.locate(rows(a_.side.x, n), sites_);
    Values v;
    load_values(n, v);
    float scale[2][2], last[2][2];  // of tokens 8 eight + 2 t and the next
    load_columns(n, scale, last);
    __syncwarp();
#pragma unroll 1
    for (int tile = 0; tile < kFeatures / 16; tile++) {
      float d[2][4] = {};
      product(d, v, tile);
      projections(d, scale, last, tile);
    }
    __syncwarp();
    back_.add(a_, dt_, rows(a_.side.x, n), b_, h_, n, group);
  }

  __device__ Rows<T, kSize> rows(const Tokens& of, int n) const {
    return {a_.side, of, b_, h_, n + static_cast<int>(threadIdx.x % kWarp / 4)};
  }

  __device__ void load_values(int n, Values& v) const {
    const Rows<T, kSize> given = rows(a_.v, n);
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) {
      Eight<T> own[2];
      given.load(u, own);
#pragma unroll
      for (int i = 0; i < 8; i++) {  // pairs, of each eight four
        uint32_t parts[kBrainParts<T>];
        to_parts<__nv_bfloat16>(own[i / 4], i % 4, parts);
#pragma unroll
        for (int k = 0; k < kBrainParts<T>; k++) v[2 * u + i % 4 / 2][k][i / 4][i % 2] = parts[k];
      }
    }
  }

  /// Lane i < 16 reads the scale of token i, lane 16 + i what it has last; 0 where the token is not
  /// there.
  __device__ void load_columns(int n, float (&scale)[2][2], float (&last)[2][2]) const {
    const int lane = threadIdx.x % kWarp, token = n + lane % 16;
    const bool exists = token < a_.side.tokens;
    const bool there = exists && *from_token<float>(a_.side.weight, b_, h_, token) != 0;
    const float own =
        there ? *from_token<float>(lane < 16 ? a_.scale : a_.last, b_, h_, token) : 0.0f;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int from = i / 2 * 8 + lane % 4 * 2 + i % 2;
      scale[i / 2][i % 2] = __shfl_sync(0xffffffffu, own, from);
      last[i / 2][i % 2] = __shfl_sync(0xffffffffu, own, 16 + from);
    }
  }

  /// S v of projections 2 tile (d[..][0], d[..][1]) and the next: channel g of tokens 2 t, 2 t + 1.
  __device__ void product(float (&d)[2][4], const Values& v, int tile) const {
    const uint4* const fragments =
        reinterpret_cast<const uint4*>(state_) + tile * kSteps * kWarp + threadIdx.x % kWarp;
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
      uint32_t s[kParts<T>][4];
#pragma unroll
      for (int part = 0; part < kParts<T>; part++) {
        read_fragment(fragments[(part * (kFeatures / 16) * kSteps + step) * kWarp], s[part]);
      }
      add_product<__nv_bfloat16>(d, s, v[step]);
    }
  }

  /// From S v to dpsi, its sums by segments, and dt of both projections.
  __device__ void projections(const float (&d)[2][4], const float (&scale)[2][2],
                              const float (&last)[2][2], int tile) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    float w[2][2][2];  // a dpsi
#pragma unroll
    for (int next = 0; next < 2; next++) {
      const int projection = 2 * tile + next;
      const float z = last_[projection * kChannels + g];
      uint32_t values[2][4], rows[2];
#pragma unroll
      for (int eight = 0; eight < 2; eight++) {
        const float4 site = Map::sites_of(sites_, eight, projection);
        const auto dpsi = [&](const float2& line, float at, int i) {
          const float dphi = fmaf(scale[eight][i], d[eight][2 * next + i], last[eight][i] * z);
          const float above = fmaf(line.x, at, line.y) <= map_.floor() ? 0 : dphi;
          w[next][eight][i] = line.x * above;
          return above;
        };
        const float low = dpsi(map_.line(site.z), site.x, 0);
        const float high = dpsi(map_.line(site.w), site.y, 1);
        if (kSums) {
          sums_.pack(values, 2 * eight, low, high);
          sums_.pack(values, 2 * eight + 1, low * site.x, high * site.y);
          rows[eight] = map_.rows(site);
        }
      }
      if (kSums) sums_.add(values, rows);
    }
    // Over the channels, which are lanes apart by g: token 8 (g / 2 % 2) + 2 t + g % 2 stays here.
    const auto sum = [&](float low, float high, int bit) {
      const bool upper = g & bit;
      return (upper ? high : low) + __shfl_xor_sync(0xffffffffu, upper ? low : high, 4 * bit);
    };
    float half[2];
#pragma unroll
    for (int next = 0; next < 2; next++) {
      half[next] =
          sum(sum(w[next][0][0], w[next][0][1], 1), sum(w[next][1][0], w[next][1][1], 1), 2);
    }
    dt_[(2 * tile + g / 4) * 16 + g / 2 % 2 * 8 + 2 * t + g % 2] = sum(half[0], half[1], 4);
  }

  __device__ float* scratch() const { return reinterpret_cast<float*>(scratch_); }
  /// Of this block.
  __device__ float* partial() const {
    const int64_t block = (int64_t{b_} * a_.side.heads + h_) * a_.blocks + blockIdx.x;
    return a_.partial + block * (a_.side.map.groups * kProjections * (kSize + 1) +
                                 (kSums ? a_.side.map.rows * 2 * kChannels : 0));
  }

  const GradArguments& a_;
  const int b_, h_, warp_;
  unsigned char* const state_;
  float* const last_;
  unsigned char* const scratch_;
  unsigned char* const sites_;
  float* const dt_;  ///< [projection, token]
  Map map_;
  BackProjection<T, kSize> back_;
  SegmentSums sums_;
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kGradWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ GradArguments arguments) {
  Grad<LUNA_STORAGE, LUNA_SIZE, LUNA_SUMS>(arguments, shared).run();
}

}  // namespace luna::tensor
