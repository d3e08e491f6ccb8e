// A side's feature map as the CUDA pipelines read it: padded and packed by ATen on the tensors'
// device.
#pragma once

#include "runtime/kernels/channel_groups.h"
#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

/// The built head size (32 or 64) that holds d and dv. Throws for sizes above 64.
int64_t built_size(int64_t d, int64_t dv);

class DeviceMap {
 public:
  /// d: the true head size; size: the built one.
  DeviceMap(const MapArgs& args, int64_t d, int64_t size);

  /// "<pass>_<map>_<size>".
  std::string pipeline(const std::string& pass) const;
  bool elementwise() const { return elementwise_; }
  bool psi() const { return pwl_ || dense_; }
  bool performer() const { return !elementwise_ && !psi(); }
  int64_t size() const { return size_; }
  int64_t projections() const { return projections_; }       ///< after padding
  int64_t features() const { return projections_ * tile_; }  ///< after padding
  int64_t true_projections() const { return m_; }
  float half_scale() const { return half_scale_; }
  const at::Tensor& projection_rows() const { return rows_; }  ///< [P, size]

  /// Appends the map's inputs. stabiliser: performer's, [B, H, N].
  void add_inputs(KernelCall& call, const at::Tensor& stabiliser) const;

  /// [.., padded features, ..] -> [.., D, ..] along dim, and back with zeros.
  at::Tensor true_features(const at::Tensor& padded, int64_t dim) const;
  at::Tensor padded_features(const at::Tensor& t, int64_t dim) const;

  /// [P, size] and [P], float64 -> MapGrads::proj and bias.
  void unpack_projection(const at::Tensor& weight, const at::Tensor& bias, MapGrads& grads) const;
  /// grad_sums takes this many pieces of the map one after the other: as many channels as a dense
  /// pipeline knows, or all of a table.
  int64_t parts() const { return dense_ ? groups_.count : 1; }
  DeviceMap part(int64_t k) const;
  /// What part k has of the features of the whole map: [.., padded features, ..] along dim.
  at::Tensor part_features(int64_t k, const at::Tensor& t, int64_t dim) const;
  /// grad_sums' output summed over slots and heads, float64 -> the psi part of MapGrads; parts in
  /// the order of their channels.
  void unpack_sums(const at::Tensor& sums, MapGrads& grads) const;
  /// Shape of one slot of grad_sums' output, outermost first.
  std::vector<int64_t> sums_shape() const;

 private:
  void pack_pwl(const MapArgs& args);
  void pack_dense(const MapArgs& args);
  /// first(i) = (channel group of projection i) * step, int32 [P].
  at::Tensor first_of_group(int64_t step) const;

  MapArgs args_;
  bool pwl_, dense_, elementwise_;
  int64_t d_, size_, m_ = 0, projections_, tile_ = 1;
  ChannelGroups groups_{1, 1};
  int64_t halvings_ = 0;  ///< steps of the search among 2^halvings knots
  float half_scale_ = 0.0f;
  at::Tensor rows_, bias_, first_, knots_, table_, w1_, b1_, w2_, b2_;
};

}  // namespace luna::kernels::cuda
