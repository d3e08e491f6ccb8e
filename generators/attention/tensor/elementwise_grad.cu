// The gradient of a map of one coordinate on tensor cores: dphi_n = scale_n S v_n + last_n z, dx =
// phi'(x) dphi. The state is kParts numbers of bfloat16 each, v as many as hold it.
#include "generators/attention/tensor/elementwise.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize, typename Curve>
class RowGrad {
 public:
  __device__ RowGrad(const GradArguments& a, unsigned char* memory)
      : a_(a),
        b_(blockIdx.z),
        h_(blockIdx.y),
        state_(reinterpret_cast<uint2*>(memory)),
        last_(reinterpret_cast<float*>(memory + 2 * kParts<T> * kSize * kSize)) {}

  __device__ void run() const {
    stage();
    __syncthreads();
    const int first = blockIdx.x * kGradTokens;
    const int end = min(first + kGradTokens, a_.side.tokens);
#pragma unroll 1
    for (int n = first + 16 * (threadIdx.x / kWarp); n < end; n += 16 * kGradWarps) {
      float d[kTiles][4] = {};
      product(d, n);
      write(d, n);
    }
  }

 private:
  static constexpr int kSteps = kSize / 16, kTiles = kSize / 8;

  /// Of S, four columns of a row as b: columns 2 t, 2 t + 1 of tile 4 u + r are the features 32 u +
  /// 8 t + 2 r and the next, so that lane t of a quad has 8 t .. of every 32.
  __device__ void stage() const {
    const int64_t head = int64_t{b_} * a_.key_heads + h_ / a_.group;
    const float* const state = a_.state + head * kSize * a_.width;
    for (int i = threadIdx.x; i < kSize * kSize / 4; i += blockDim.x) {
      const int feature = i / (kSize / 4), four = i % (kSize / 4);
      const float4 s = *reinterpret_cast<const float4*>(state + feature * a_.width + 4 * four);
      uint32_t low[kParts<T>], high[kParts<T>];
      split<__nv_bfloat16>(s.x, s.y, low);
      split<__nv_bfloat16>(s.z, s.w, high);
      const int tile = feature / 32 * 4 + feature % 8 / 2;
      const int column = feature % 32 / 8 * 2 + feature % 2;
#pragma unroll
      for (int part = 0; part < kParts<T>; part++) {
        state_[place(part, four / 4, tile) + 4 * column + four % 4] =
            make_uint2(low[part], high[part]);
      }
    }
    for (int i = threadIdx.x; i < kSize; i += blockDim.x) last_[i] = state[i * a_.width + kSize];
  }
  __device__ static int place(int part, int step, int tile) {
    return ((part * kSteps + step) * kTiles + tile) * kWarp;
  }

  __device__ QuadRow<T> row(const Tokens& of, int n) const { return {a_.side, of, b_, h_, n}; }

  /// d = v S of tokens n .. (rows).
  __device__ void product(float (&d)[kTiles][4], int n) const {
    const QuadRow<T> rows[2] = {row(a_.v, n), row(a_.v, n + 8)};
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
      uint32_t v[kBrainParts<T>][4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const uint2 four = rows[i % 2].four(16 * step);
        uint32_t parts[kBrainParts<T>];
        to_parts<__nv_bfloat16, T>(i / 2 ? four.y : four.x, parts);
#pragma unroll
        for (int part = 0; part < kBrainParts<T>; part++) v[part][i] = parts[part];
      }
#pragma unroll
      for (int tile = 0; tile < kTiles; tile++) {
        uint32_t s[kParts<T>][1][2];
#pragma unroll
        for (int part = 0; part < kParts<T>; part++) {
          const uint2 words = state_[place(part, step, tile) + threadIdx.x % kWarp];
          s[part][0][0] = words.x;
          s[part][0][1] = words.y;
        }
        add_product<__nv_bfloat16>(d + tile, v, s);
      }
    }
  }

  __device__ void write(const float (&d)[kTiles][4], int n) const {
    const int quad = threadIdx.x % kWarp / 4, column = threadIdx.x % 4 * 8;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const QuadRow<T> x = row(a_.side.x, n + 8 * half);
      const int token = n + 8 * half + quad;
      if (token >= a_.side.tokens) continue;
      const auto own = [&](const Tokens& of) {
        return x.there() ? *from_token<float>(of, b_, h_, token) : 0.0f;
      };
      const float scale = own(a_.scale), last = own(a_.last);
      T* const to = const_cast<T*>(from_token<T>(a_.dx, b_, h_, token)) + column;
#pragma unroll
      for (int u = 0; u < kSize / 32; u++) {
        const Eight<T> eight = x.eight(32 * u);
        float dx[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
          const float2 two = floats(eight, i / 2);
          const float dphi =
              fmaf(scale, d[4 * u + i / 2][2 * half + i % 2], last * last_[32 * u + column + i]);
          dx[i] = x.there() ? Curve::derivative(i % 2 ? two.y : two.x, dphi) : 0;
        }
        store_eight(to + 32 * u, dx);
      }
    }
  }

  const GradArguments& a_;
  const int b_, h_;
  uint2* const state_;
  float* const last_;  ///< z
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kGradWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ GradArguments arguments) {
  RowGrad<LUNA_STORAGE, LUNA_SIZE, LUNA_MAP>(arguments, shared).run();
}

}  // namespace luna::tensor
