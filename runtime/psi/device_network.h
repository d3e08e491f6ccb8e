// Network of parameters that stay on their CUDA device.
#pragma once

#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// What Network gives, in ATen and float64 where the parameters are: nothing waits for a device, so
/// that shapes must not depend on values. A layer of n units cuts each of S segments at most n
/// times: there is room for (n_1 + 1) (n_2 + 1) ... - 1 knots, or for kMaxKnots where that is more;
/// those that are none are at +inf. psi of more than kMaxKnots different knots, which Network
/// refuses, is NaN.
class DeviceNetwork : public TablePsi {
 public:
  /// params: Network's.
  explicit DeviceNetwork(at::TensorList params);

  std::vector<at::Tensor> unfold(const at::Tensor& lines) const override;

 private:
  struct Layer {
    at::Tensor weight, bias;  ///< [out, in], [out]
    at::Tensor in = {};       ///< [segments, 2, in]: slopes and intercepts of its inputs
    at::Tensor active = {};   ///< bool [segments, out], of a hidden layer
  };

  /// [segments, 2, out]: layer i's units before the ReLU, on all segments; sets `in` up to there.
  at::Tensor lines_of(size_t i);
  /// Cuts the segments where hidden layer i's units cross zero.
  void split(size_t i);
  /// These knots and cuts in ascending order; as many as there is room for.
  void merge(const at::Tensor& cuts);
  /// [L]: NaN where a parameter is not finite or knots were lost, else 0.
  at::Tensor spoilt() const;

  std::vector<std::vector<int64_t>> shapes_;  // of the parameters
  std::vector<Layer> layers_;
  at::Tensor lost_;  // bool []: whether there was no room for a knot
};

}  // namespace luna::psi
