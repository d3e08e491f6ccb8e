// Maps of one coordinate (generators/feature_map/elementwise.h) in registers: D = d. Every kernel
// is compiled for one of them, LUNA_MAP.
#pragma once

#include "generators/attention/tensor/tokens.cuh"

namespace luna::tensor {

/// generators/feature_map/elu.cpp. (The exponential is of numbers that are not above 0.)
struct Elu {
  __device__ static float value(float x) { return x > 0 ? x + 1 : __expf(x); }
  __device__ static float derivative(float x, float dphi) {
    return x > 0 ? dphi : dphi * __expf(x);
  }
};
/// generators/feature_map/relu.cpp.
struct Relu {
  __device__ static float value(float x) { return floor_at(x, 0); }
  __device__ static float derivative(float x, float dphi) { return x <= 0 ? 0 : dphi; }
};
/// generators/feature_map/relu2.cpp.
struct SquaredRelu {
  __device__ static float value(float x) { return floor_at(x, 0) * floor_at(x, 0); }
  __device__ static float derivative(float x, float dphi) { return x <= 0 ? 0 : 2 * x * dphi; }
};
/// generators/feature_map/identity.cpp.
struct Identity {
  __device__ static float value(float x) { return x; }
  __device__ static float derivative(float, float dphi) { return dphi; }
};

/// The row of token n + g of a head, in registers of the quad g; zeros where it is not there.
template <typename T>
class QuadRow {
 public:
  QuadRow() = default;
  __device__ QuadRow(const Problem& side, const Tokens& rows, int b, int h, int n) {
    n += threadIdx.x % kWarp / 4;
    const int token = min(n, side.tokens - 1);
    row_ = from_token<T>(rows, b, h, token);
    there_ = n < side.tokens && *from_token<float>(side.weight, b, h, token) != 0;
  }
  __device__ bool there() const { return there_; }
  /// Lane t: elements 4 t .. of 16, and 8 t .. of 32, from a column on.
  __device__ uint2 four(int column) const {
    const uint2 own = *reinterpret_cast<const uint2*>(row_ + column + threadIdx.x % 4 * 4);
    return there_ ? own : make_uint2(0, 0);
  }
  __device__ Eight<T> eight(int column) const {
    Eight<T> own = Eight<T>::load(row_ + column + threadIdx.x % 4 * 8);
    own.keep_if(there_);
    return own;
  }

 private:
  const T* row_;  ///< of a token that exists
  bool there_;
};

}  // namespace luna::tensor
