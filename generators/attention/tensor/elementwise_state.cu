// kv_state (state.cuh) of a map of one coordinate.
#include "generators/attention/tensor/elementwise.cuh"
#include "generators/attention/tensor/state.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize, typename Curve>
class RowFeatures {
 public:
  static constexpr int kFeatures = kSize, kTall = 1;
  static constexpr int kBytes = kSize * row_bytes(kSize);

  __device__ RowFeatures(const StateArguments& a, unsigned char* memory, unsigned char*)
      : rows_(memory), tokens_(a.side.tokens) {}

  __device__ void stage(int) const {}
  __device__ void stage_tokens(const HeadTokens& x, int n, uint32_t there) const {
    const int warp = threadIdx.x / kWarp;
    stage_rows<T, kSize, kSize / 16>(
        x, n, tokens_, there, [&](const Eight<T>& eight, int row, int vector) {
          *reinterpret_cast<uint4*>(rows_ + (16 * warp + row) * kPitch + 16 * vector) =
              make_uint4(eight.words[0], eight.words[1], eight.words[2], eight.words[3]);
        });
  }
  /// Of tokens step .. (rows: 16 features of this warp).
  __device__ void features(float2 (&phi)[4], int, int step, const float2 (&scale)[2]) const {
    uint32_t x[2][2];
    load_columns(x, column_address(rows_, kPitch, step) + threadIdx.x / kWarp * 32);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float2 own = two_of<T>(x[i % 2][i / 2]);
      phi[i] =
          make_float2(scale[i / 2].x * Curve::value(own.x), scale[i / 2].y * Curve::value(own.y));
    }
  }

 private:
  static constexpr int kPitch = row_bytes(kSize);

  unsigned char* const rows_;
  const int& tokens_;
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(2 * LUNA_SIZE, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ StateArguments arguments) {
  using Source = RowFeatures<LUNA_STORAGE, LUNA_SIZE, LUNA_MAP>;
  using Passes = State<LUNA_STORAGE, LUNA_SIZE, Source>;
  static_assert(Passes::kWarps == elementwise_warps(LUNA_SIZE));
  Passes(arguments, shared).run();
}

}  // namespace luna::tensor
