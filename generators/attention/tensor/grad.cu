// The gradient at every projection on tensor cores: dphi_n = scale_n S v_n + last_n z back through
// phi_l = max(a_l t + c_l, floor): dt = sum_l a_l dphi_l over the channels above the floor, and
// the sums over segments of dphi and dphi t (compiled with LUNA_SUMS=1). S is kParts numbers of
// bfloat16, v as many as hold it; all else is float32.
#include "generators/attention/tensor/products.cuh"

namespace luna::tensor {
namespace {

/// kSums: also the sums that gradients of psi's parameters are made of.
template <typename T, int kSize, bool kSums>
class Grad {
 public:
  __device__ Grad(const GradArguments& a, unsigned char* memory)
      : a_(a),
        state_(memory + map_bytes(kSize, kParts<T>)),
        sites_(memory + map_bytes(kSize, kParts<T>) + factors_bytes(kSize, kParts<T>) +
               place_.warp * 16 * kSiteBytes),
        map_(memory, memory + grad_bytes(kSize, kParts<T>), a.side.map),
        sums_(reinterpret_cast<float*>(memory + grad_bytes(kSize, kParts<T>) +
                                       table_bytes(a.side.map.halvings, a.side.map.rows))) {}

  __device__ void run() {
    map_.stage_table();
    if (kSums) clear_sums();
#pragma unroll 1
    for (int group = 0; group < a_.side.map.groups; group++) {
      if (group > 0) __syncthreads();
      map_.stage_group(group);
      state_.stage(place_.state(a_, group), a_.width);
      __syncthreads();
#pragma unroll 1
      for (int part = 0; part < Place::kTokens; part += 16) {
        if (part > 0) __syncwarp();
        map_.locate(place_.template rows<T, kSize>(a_.side, a_.side.x, part), sites_);
        __syncwarp();
        back(part, group);
      }
    }
    if (kSums) write_sums();
  }

 private:
  using Place = TokenPlace<kParts<T>>;
  using State = SharedState<kSize, kParts<T>>;
  /// Fragments of v: for every step of 16 elements its parts.
  using Values = uint32_t[kSize / 16][kBrainParts<T>][4];

  /// dt of 16 tokens.
  __device__ void back(int part, int group) {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    Values v;
    float scale[2], last[2];
    load_columns_of(part, v, scale, last);
#pragma unroll 1
    for (int first = 0; first < kProjections; first += 4) {
      float dt[2][4];  // this lane's two channels of four projections
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float products[1][4] = {};
        product(products, v, first + i);
        const float(&dphi)[4] = products[0];
        const float2 z = last_column(first + i);
#pragma unroll
        for (int row = 0; row < 2; row++) {
          const float2 site = *reinterpret_cast<const float2*>(sites_ + (g + 8 * row) * kSiteBytes +
                                                               (first + i) * 8);
          const float4 line = map_.lines(site.y, 2 * t);
          const float low = fmaf(scale[row], dphi[2 * row], last[row] * z.x);
          const float high = fmaf(scale[row], dphi[2 * row + 1], last[row] * z.y);
          const float dlow = above_floor(line.x, line.y, site.x, low);
          const float dhigh = above_floor(line.z, line.w, site.x, high);
          dt[row][i] = fmaf(line.x, dlow, line.z * dhigh);
          if (kSums) add_sums(site, dlow, dhigh);
        }
      }
#pragma unroll
      for (int row = 0; row < 2; row++) {
        const float own = sum_of_quad(dt[row]);
        const int n = place_.first + part + g + 8 * row;
        if (n < a_.side.tokens) *place_of(n, group * kProjections + first + t) = own;
      }
    }
  }

  /// v of 16 tokens as fragments; scale and last of tokens g and g + 8.
  __device__ void load_columns_of(int part, Values& v, float (&scale)[2], float (&last)[2]) const {
    const Rows<T, kSize> rows = place_.template rows<T, kSize>(a_.side, a_.v, part);
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) {
      Eight<T> given[2];
      rows.load(u, given);
#pragma unroll
      for (int i = 0; i < 8; i++) {  // of a row its pairs
        const int row = i / 4, pair = i % 4;
        uint32_t parts[kBrainParts<T>];
        to_parts<__nv_bfloat16>(given[row], pair, parts);
#pragma unroll
        for (int k = 0; k < kBrainParts<T>; k++) {
          v[2 * u + pair / 2][k][pair % 2 * 2 + row] = parts[k];
        }
      }
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
      const int n = place_.first + part + threadIdx.x % kWarp / 4 + 8 * row;
      const bool there = rows.weight(row) != 0;
      scale[row] = there ? *place_.at(a_.scale, n) : 0;
      last[row] = there ? *place_.at(a_.last, n) : 0;
    }
  }

  /// S v: channels 2 t, 2 t + 1 of a projection for tokens g and g + 8. Rows of S as those of v.
  __device__ void product(float (&d)[1][4], const Values& v, int projection) const {
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    const unsigned char* const row =
        state_.rows() + (projection * kChannels + g) * State::kPitch + 16 * t;
#pragma unroll
    for (int u = 0; u < kSize / 32; u++) {
      uint32_t s[2][kParts<T>][1][2];
#pragma unroll
      for (int part = 0; part < kParts<T>; part++) {
        const uint4 own = *reinterpret_cast<const uint4*>(row + part * State::kPart + 64 * u);
        s[0][part][0][0] = own.x;
        s[0][part][0][1] = own.y;
        s[1][part][0][0] = own.z;
        s[1][part][0][1] = own.w;
      }
#pragma unroll
      for (int step = 0; step < 2; step++) add_product<__nv_bfloat16>(d, v[2 * u + step], s[step]);
    }
  }

  /// z of channels 2 t, 2 t + 1.
  __device__ float2 last_column(int projection) const {
    const unsigned char* const at =
        state_.rows() + (projection * kChannels + threadIdx.x % 4 * 2) * State::kPitch + 2 * kSize;
    const auto z = [&](int row) {
      float sum = 0;
#pragma unroll
      for (int part = kParts<T> - 1; part >= 0; part--) {  // exact
        sum += low_of(
            *reinterpret_cast<const uint32_t*>(at + row * State::kPitch + part * State::kPart));
      }
      return sum;
    };
    return make_float2(z(0), z(1));
  }

  /// dphi above the floor, 0 below.
  __device__ float above_floor(float a, float c, float t, float dphi) const {
    return fmaf(a, t, c) <= map_.floor() ? 0 : dphi;
  }

  /// The sum of the four lanes of a quad of w[t], in lane t.
  __device__ static float sum_of_quad(const float (&w)[4]) {
    const int t = threadIdx.x % 4;
    const auto exchange = [](float keep, float give, int lanes) {
      return keep + __shfl_xor_sync(0xffffffffu, give, lanes);
    };
    const bool upper = t & 2, odd = t & 1;
    const float even = exchange(upper ? w[2] : w[0], upper ? w[0] : w[2], 2);
    const float next = exchange(upper ? w[3] : w[1], upper ? w[1] : w[3], 2);
    return exchange(odd ? next : even, odd ? even : next, 1);
  }

  /// A row's sums in a warp: for every lane of a quad dpsi of its channels, then dpsi t.
  __device__ float4* sums_of(int row) const {
    return reinterpret_cast<float4*>(sums_) + (place_.warp * a_.side.map.rows + row) * 4 +
           threadIdx.x % 4;
  }
  __device__ void clear_sums() {
    for (int row = threadIdx.x % kWarp / 4; row < a_.side.map.rows; row += kWarp / 4) {
      *sums_of(row) = make_float4(0, 0, 0, 0);
    }
  }
  /// Of eight sites; those of one row in the order of their tokens.
  __device__ void add_sums(const float2& site, float low, float high) {
    const int lane = threadIdx.x % kWarp, row = __float_as_int(site.y) / kLineBytes;
    const uint32_t same = __match_any_sync(0xffffffffu, row);
    const unsigned before = __popc(same & ((1u << lane) - 1)) / 4;  // quads
    const unsigned last = __reduce_max_sync(0xffffffffu, before);
    float4* const sums = sums_of(row);
#pragma unroll 1
    for (unsigned turn = 0; turn <= last; turn++) {
      if (turn == before) {
        const float4 old = *sums;
        *sums = make_float4(old.x + low, old.y + high, fmaf(low, site.x, old.z),
                            fmaf(high, site.x, old.w));
      }
      __syncwarp();
    }
  }
  __device__ void write_sums() {
    __syncthreads();
    const int64_t block = (int64_t{place_.b} * a_.side.heads + place_.h) * gridDim.x + blockIdx.x;
    const int count = a_.side.map.rows * 2 * kChannels;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
      const int channel = i % kChannels, is_t = i / kChannels % 2;
      const int from = i / (2 * kChannels) * 16 + channel / 2 * 4 + is_t * 2 + channel % 2;
      float sum = 0;
      for (int warp = 0; warp < kTokenWarps; warp++) sum += sums_[warp * count + from];
      a_.sums[block * count + i] = sum;
    }
  }

  __device__ float* place_of(int n, int projection) const {
    const int64_t token = (int64_t{place_.b} * a_.side.heads + place_.h) * a_.side.tokens + n;
    return a_.dt + token * kProjections * a_.side.map.groups + projection;
  }

  const GradArguments& a_;
  const Place place_;
  State state_;
  unsigned char* const sites_;
  SharedMap<T, kSize> map_;
  float* const sums_;
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kTokenWarps* kWarp, 2)
    LUNA_KERNEL(const __grid_constant__ GradArguments arguments) {
  Grad<LUNA_STORAGE, LUNA_SIZE, LUNA_SUMS>(arguments, shared).run();
}

}  // namespace luna::tensor
