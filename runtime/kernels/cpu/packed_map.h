// A side's feature map in the layout of the CPU pipelines: padded, transposed, with the search tree
// built.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernels/channel_groups.h"
#include "runtime/kernels/cpu/search_tree.h"
#include "runtime/kernels/cpu/segment_map.h"
#include "runtime/kernels/cpu/state.h"
#include "runtime/kernels/cpu/tile.h"
#include "runtime/kernels/cpu/tile_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// t and the segment of a tile's sites, (n, i), for maps that are located first.
struct Sites {
  float* t;
  int32_t* segment;
  int64_t pitch;  ///< from projection to projection; a multiple of kLanes
  float* dt;      ///< (i, n): the gradient at t, of site_gradient()
  int64_t dt_pitch;
};

/// Whether both make the same PackedMap of one d.
bool packs_alike(const MapArgs& a, const MapArgs& b);

class PackedMap {
 public:
  PackedMap(const MapArgs& args, int64_t d);
  int64_t d() const { return d_; }

  /// Suffix of the pipelines' names.
  const std::string& variant() const { return variant_; }
  /// Heads with parameters of their own; 1: shared by all.
  int64_t heads() const { return args_.per_head() ? args_.proj.size(0) : 1; }
  const MapArgs& args() const { return args_; }
  /// Whether the pipelines take sites, filled by locate(), in place of projection and knots.
  bool located() const { return !levels_.empty(); }
  int64_t projections() const { return projections_; }
  /// Whether the pipeline of features also gives the largest t of every token.
  bool reports_largest() const { return args_.map == "performer"; }
  /// What is added to every feature and takes no part in the gradient: performer's m^-1/2 eps.
  float epsilon() const;
  /// Fills the sites of the tokens x (j, n).
  void locate(const Matrix& x, const Sites& sites) const;
  /// dt of located sites from dphi (D, n), and the table's part of the parameter sums (nullptr: not
  /// wanted); the pipeline takes dt and adds the rest.
  void site_gradient(const Sites& sites, const Matrix& dphi, const float* weight,
                     float* sums) const;
  /// Where the D features lie after padding; layout().padded is every state's D extent.
  const FeatureLayout& layout() const { return layout_; }
  /// [layout().padded]: all bits of a feature of the map, none where it only pads.
  const int32_t* feature_mask() const { return feature_mask_.const_data_ptr<int32_t>(); }
  /// MapArgs', for tokens that only pad too.
  const at::Tensor& token_values() const { return token_values_; }

  /// Appends the map's inputs in pipeline order; head: the key head, stabiliser: M of this (b, h),
  /// sites: of located() maps, bare: without epsilon().
  /// Returns the index of the argument that moves with the tokens, token_values of MapArgs, or -1.
  int add_inputs(TileCall& call, bool with_gradient, int64_t head, float stabiliser,
                 const Sites& sites, bool bare) const;

  /// Floats in one task's parameter sums, and those sums as pipeline outputs over `data`.
  int64_t sum_size() const { return sum_size_; }
  void add_sums(TileCall& call, float* data) const;
  /// The gradients of MapArgs' parameters from the sums over all tasks, [heads(), sum_size()]
  /// float64.
  MapGrads unpack(const at::Tensor& sums) const;

 private:
  struct Sum {
    int64_t inner, outer;  ///< outer 0: one-dimensional
    int64_t offset;
  };
  /// Whether the second half of the projections is minus the first: the gradient of both is then at
  /// the first.
  bool mirrored() const { return args_.map == "softmax_halves"; }
  void pack_projection(const at::Tensor& proj, const at::Tensor& bias);
  void pack_pwl();
  void plant_search();
  void pack_dense();
  void add_sum(int64_t inner, int64_t outer);
  void unpack_psi(const at::Tensor& sums, MapGrads& grads) const;
  /// Sum k of a head among those that unpack() takes.
  const double* sum_of(const at::Tensor& sums, int64_t head, size_t k) const {
    return sums.const_data_ptr<double>() + head * sum_size_ + sums_[k].offset;
  }
  /// Its first `size` numbers, float32, and of a sum over segments [K + 1, L] float64.
  at::Tensor unpack_sum(const at::Tensor& sums, size_t k, int64_t size) const;
  at::Tensor unpack_segments(const at::Tensor& sums, size_t k) const;

  MapArgs args_;
  std::string variant_;
  int64_t d_ = 0, m_ = 0, tile_ = 1;
  ChannelGroups groups_{1, 1};
  int64_t projections_ = 0;  ///< padded, groups included
  int64_t padded_d_ = 0;
  FeatureLayout layout_{};
  at::Tensor feature_mask_, proj_, proj_rows_, bias_, first_;
  at::Tensor search_, table_;
  SearchLevels levels_;
  at::Tensor w1_, b1_, w2_, w2_rows_, b2_;
  at::Tensor coordinates_, token_values_;
  std::vector<Sum> sums_;
  int64_t sum_size_ = 0;
};

/// The maps packed last, one of either form. Any thread.
class PackedCache {
 public:
  std::shared_ptr<const PackedMap> get(const MapArgs& args, int64_t d);
  /// SegmentMap::of(args).
  std::shared_ptr<const SegmentMap> segments(const MapArgs& args);

 private:
  std::mutex mutex_;
  std::shared_ptr<const PackedMap> map_;
  std::optional<MapArgs> segments_of_;
  std::shared_ptr<const SegmentMap> segments_;
};

/// The maps of both sides, each packed when it is asked for first, one for both where they are the
/// same. The arguments must outlive it.
class PackedSides {
 public:
  PackedSides(const MapArgs& q, const MapArgs& k, int64_t d) : q_args_(q), k_args_(k), d_(d) {}
  explicit PackedSides(const Problem& p) : PackedSides(p.q_map, p.k_map, p.q.size(3)) {}
  const PackedMap& q() { return packed(q_, q_args_); }
  const PackedMap& k() { return packs_alike(q_args_, k_args_) ? q() : packed(k_, k_args_); }

 private:
  const PackedMap& packed(std::shared_ptr<const PackedMap>& own, const MapArgs& args) const;

  const MapArgs &q_args_, &k_args_;
  int64_t d_;
  std::shared_ptr<const PackedMap> q_, k_;
};

}  // namespace luna::kernels
