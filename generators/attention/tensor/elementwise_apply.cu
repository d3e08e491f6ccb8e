// apply_state (apply.cuh) of a map of one coordinate.
#include "generators/attention/tensor/apply.cuh"
#include "generators/attention/tensor/elementwise.cuh"

namespace luna::tensor {
namespace {

template <typename T, int kSize, typename Curve>
class RowFeatures {
 public:
  static constexpr int kFeatures = kSize;
  static constexpr bool kSplit = true;
  static constexpr int kBytes = 0;
  using Place = TokenPlace<kParts<T>>;

  __device__ RowFeatures(const Problem&, const Place&, unsigned char*, unsigned char*) {}

  __device__ void stage() const {}
  __device__ void stage_group(int) const {}
  __device__ void locate(const Problem& side, const Place& place) {
#pragma unroll
    for (int i = 0; i < kEights; i++) {
      eight_[i] = QuadRow<T>(side, side.x, place.b, place.h, place.first + 8 * i);
    }
  }
  /// Of tokens 16 i .. (columns: features step .. + 15 in kSplit's order).
  __device__ void features(uint32_t (&phi)[kParts<T>][4], int i, int step) const {
#pragma unroll
    for (int row = 0; row < 2; row++) {
      const uint2 four = eight_[2 * i + row].four(step);
#pragma unroll
      for (int next = 0; next < 2; next++) {
        const float2 x = two_of<T>(next ? four.y : four.x);
        uint32_t parts[kParts<T>];
        split<__nv_bfloat16>(Curve::value(x.x), Curve::value(x.y), parts);
#pragma unroll
        for (int part = 0; part < kParts<T>; part++) phi[part][2 * next + row] = parts[part];
      }
    }
  }

 private:
  static constexpr int kEights = Place::kTokens / 8;
  QuadRow<T> eight_[kEights];  ///< of every eight tokens this quad's
};

extern __shared__ __align__(16) unsigned char shared[];

}  // namespace

extern "C" __global__ void __launch_bounds__(kTokenWarps* kWarp, LUNA_BLOCKS)
    LUNA_KERNEL(const __grid_constant__ ApplyArguments arguments) {
  using Source = RowFeatures<LUNA_STORAGE, LUNA_SIZE, LUNA_MAP>;
  Apply<LUNA_STORAGE, LUNA_SIZE, Source>(arguments, shared).run();
}

}  // namespace luna::tensor
