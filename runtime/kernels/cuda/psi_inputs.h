// What the CUDA pipelines read of a psi map beside its projection, and the parameter sums that they
// write.
#pragma once

#include "runtime/kernels/channel_groups.h"
#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

constexpr int64_t kPsiChannels = 8;  ///< channels of a psi pipeline

inline bool is_pwl(const std::string& map) { return map == "pwl"; }
inline bool is_dense(const std::string& map) { return map.rfind("dense_", 0) == 0; }
inline bool is_psi(const std::string& map) { return is_pwl(map) || is_dense(map); }

/// Contiguous, from an address of whole vectors on, with zeros after the end of dimension `dim`, up
/// to `size`.
at::Tensor pad(const at::Tensor& x, int64_t dim, int64_t size);

class PsiInputs {
 public:
  /// projections: with their channel groups and after padding.
  PsiInputs(const MapArgs& args, int64_t projections);

  void add(KernelCall& call) const;
  /// The sums' output of one slot, outermost dimension first.
  std::vector<int64_t> sums_shape() const;
  /// The sums over slots, float64 -> the psi part of MapGrads. Of a table: [rows, parts, 2,
  /// kPsiChannels], any number of parts.
  void unpack_sums(const at::Tensor& sums, MapGrads& grads) const;

  /// The sums pipelines take this many pieces of the map one after the other: as many channels as a
  /// dense pipeline knows, or all of a table.
  static int64_t parts(const MapArgs& args);
  static MapArgs part(const MapArgs& args, int64_t k);

 private:
  /// first(i) = (channel group of projection i) * step, int32.
  at::Tensor first_of_group(int64_t step, int64_t projections) const;
  void pack_pwl(int64_t projections);
  void pack_dense(int64_t projections);

  MapArgs args_;
  ChannelGroups groups_;
  int64_t halvings_ = 0;  ///< steps of the search among 2^halvings knots
  at::Tensor first_, knots_, table_, w1_, b1_, w2_, b2_;
};

}  // namespace luna::kernels::cuda
