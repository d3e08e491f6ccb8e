// A pwl map in segment form: a floor becomes segments of slope 0, cut where a channel crosses it,
// so that phi_l(t) = c_ls + a_ls (t - base_s) exactly on every segment s.
#pragma once

#include <memory>
#include <vector>

#include "runtime/kernels/cpu/search_tree.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels {

class SegmentMap {
 public:
  /// The map, or nullptr where multiplying features costs less or the tables of a (b, h) would be
  /// too large: no pwl map, or too few tokens a head to pay for its tables.
  static std::shared_ptr<const SegmentMap> where_it_pays(const MapArgs& args, int64_t tokens,
                                                         int64_t dv);
  /// The same whatever the tokens; nullptr where it has more segments than can be searched.
  static std::shared_ptr<const SegmentMap> of(const MapArgs& args);

  int64_t m() const { return m_; }
  int64_t L() const { return L_; }
  int64_t d() const { return d_; }
  /// m padded to whole vectors.
  int64_t projections() const { return projections_; }
  int64_t segments() const { return static_cast<int64_t>(table_row_.size()); }

  const std::vector<float>& knots() const { return knots_; }
  const at::Tensor& proj() const { return proj_; }            ///< [d, projections]
  const at::Tensor& proj_rows() const { return proj_rows_; }  ///< [projections, d]
  const at::Tensor& bias() const { return bias_; }            ///< [projections]
  const at::Tensor& search() const { return search_; }        ///< search_tree()
  /// Binary search for locate(); empty, and search() instead, where there are too many knots.
  const SearchLevels& levels() const { return levels_; }
  const at::Tensor& base() const { return base_; }  ///< [segments + 1 or more], zeros beyond
  float origin() const { return origin_; }          ///< base of the segment of 0
  /// [L, segments padded to kTableSegments, 2]: values at the segment's base, then slopes.
  const at::Tensor& coefficients() const { return coefficients_; }

  /// g0, g1 of MapGrads from the gradient of the coefficients, [L, segments, 2] float64: what a
  /// channel's floor swallows does not count.
  void unfold(const at::Tensor& gradient, MapGrads& grads) const;

 private:
  explicit SegmentMap(const MapArgs& args);
  void cut_segments(const MapArgs& args);
  void pack_segments(const MapArgs& args);
  void plant_search();
  void pack_projection(const MapArgs& args);

  int64_t m_, L_, d_, projections_;
  int64_t table_rows_;
  std::vector<int64_t> table_row_;  ///< row of MapArgs::table that each segment is a part of
  std::vector<uint8_t> floored_;    ///< [L, segments]
  std::vector<float> knots_;
  at::Tensor proj_, proj_rows_, bias_, search_, base_, coefficients_;
  SearchLevels levels_;
  float origin_ = 0.0f;
};

/// The segment maps of a problem's sides, one for both where map and tokens are the same; nullptr
/// where where_it_pays() says no.
struct SegmentSides {
  explicit SegmentSides(const Problem& p);
  bool any() const { return q || k; }

  std::shared_ptr<const SegmentMap> q, k;
};

}  // namespace luna::kernels
