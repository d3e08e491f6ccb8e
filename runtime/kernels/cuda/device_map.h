// A side's feature map as the CUDA pipelines read it: padded and packed by ATen on the tensors'
// device.
#pragma once

#include "runtime/kernels/cuda/psi_inputs.h"

namespace luna::kernels::cuda {

/// The largest head size that the batched pipelines are built for.
inline constexpr int64_t kLargestSize = 64;

/// The head size (32 or 64) that passes of a map are built for and that holds d and dv.
int64_t built_size(const std::string& map, int64_t d, int64_t dv);

/// "<pass>_<map>_<size>" of a pass with the map inlined.
std::string pass_name(const std::string& pass, const std::string& map, int64_t size);

class DeviceMap {
 public:
  /// d: the true head size; size: the built one.
  DeviceMap(const MapArgs& args, int64_t d, int64_t size);

  std::string pipeline(const std::string& pass) const { return pass_name(pass, args_.map, size_); }
  bool elementwise() const { return elementwise_; }
  bool psi() const { return psi_; }
  bool performer() const { return !elementwise_ && !psi(); }
  const MapArgs& args() const { return args_; }
  int64_t size() const { return size_; }
  int64_t projections() const { return projections_; }       ///< after padding
  int64_t features() const { return projections_ * tile_; }  ///< after padding
  int64_t true_projections() const { return m_; }
  float half_scale() const { return half_scale_; }
  const at::Tensor& projection_rows() const { return rows_; }  ///< [P, size]

  /// Appends the map's inputs. stabiliser: performer's, [B, H, N].
  void add_inputs(KernelCall& call, const at::Tensor& stabiliser) const;

  /// Where the map's features lie among the padded ones: before `end`, the first `used` of every
  /// `stride`.
  struct FeatureLayout {
    int64_t end, stride, used;
  };
  FeatureLayout feature_layout() const;
  /// [.., padded features, ..] -> [.., D, ..] along dim, and back with zeros.
  at::Tensor true_features(const at::Tensor& padded, int64_t dim) const;
  at::Tensor padded_features(const at::Tensor& t, int64_t dim) const;

  /// [P, size] and [P], float64 -> MapGrads::proj and bias.
  void unpack_projection(const at::Tensor& weight, const at::Tensor& bias, MapGrads& grads) const;
  /// The pieces that grad_sums takes one after the other (PsiInputs::parts).
  int64_t parts() const { return PsiInputs::parts(args_); }
  DeviceMap part(int64_t k) const;
  /// What part k has of the features of the whole map: [.., padded features, ..] along dim.
  at::Tensor part_features(int64_t k, const at::Tensor& t, int64_t dim) const;
  const PsiInputs& psi_inputs() const { return *psi_inputs_; }

 private:
  MapArgs args_;
  bool psi_, elementwise_;
  int64_t d_, size_, m_ = 0, projections_, tile_ = 1;
  ChannelGroups groups_{1, 1};
  float half_scale_ = 0.0f;
  at::Tensor rows_, bias_;
  std::optional<PsiInputs> psi_inputs_;
};

}  // namespace luna::kernels::cuda
