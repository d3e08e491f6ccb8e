// A side's feature map in the layout of the CPU pipelines: padded, transposed, with the search tree
// built.
#pragma once

#include <string>
#include <vector>

#include "runtime/kernels/channel_groups.h"
#include "runtime/kernels/cpu/state.h"
#include "runtime/kernels/cpu/tile.h"
#include "runtime/kernels/cpu/tile_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels {

enum class Side { query, key };

class PackedMap {
 public:
  PackedMap(const MapArgs& args, int64_t d);

  /// Suffix of the pipelines' names.
  const std::string& variant() const { return variant_; }
  /// Projections as the pipelines take them, (i, j): t = x proj.
  Matrix projection() const;
  /// Where the D features lie after padding; layout().padded is every state's D extent.
  const FeatureLayout& layout() const { return layout_; }
  /// [layout().padded]: 1 for a feature of the map, 0 where it only pads.
  const at::Tensor& real_features() const { return real_features_; }

  /// Appends the map's inputs in pipeline order. stabiliser: performer's M of the (b, h), key side.
  void add_inputs(TileCall& call, Side side, bool with_gradient, float stabiliser) const;

  /// Floats in one task's parameter sums, and those sums as pipeline outputs over `data`.
  int64_t sum_size() const { return sum_size_; }
  void add_sums(TileCall& call, float* data) const;
  /// The gradients of MapArgs' parameters from the sums over all tasks.
  MapGrads unpack(const std::vector<double>& sums) const;

 private:
  struct Sum {
    int64_t inner, outer;  ///< outer 0: one-dimensional
    int64_t offset;
  };
  void pack_projection(const at::Tensor& proj, const at::Tensor& bias);
  void pack_pwl();
  void pack_dense();
  void add_sum(int64_t inner, int64_t outer);
  at::Tensor view_of(const Sum& sum, const at::Tensor& flat) const;

  MapArgs args_;
  std::string variant_;
  int64_t d_ = 0, m_ = 0, tile_ = 1;
  ChannelGroups groups_{1, 1};
  int64_t projections_ = 0;  ///< padded, groups included
  int64_t padded_d_ = 0;
  FeatureLayout layout_{};
  at::Tensor real_features_, proj_, proj_rows_, bias_, first_;
  at::Tensor search_, table_;
  at::Tensor w1_, b1_, w2_, w2_rows_, b2_;
  std::vector<Sum> sums_;
  int64_t sum_size_ = 0;
};

}  // namespace luna::kernels
