#pragma once

#include <optional>
#include <vector>

#include "generators/common/knot_search.h"
#include "generators/common/tiles.h"
#include "generators/feature_map/projected.h"

namespace luna {

class PsiPwl : public Projected {
 public:
  /// located: t and the segment of every site are inputs (runtime/kernels/cpu/locate.h), and what
  /// the gradient is at t, whose sums over segments are taken with it (site_gradient.h).
  explicit PsiPwl(const MapOptions& options, bool located = false)
      : Projected(options), located_(located) {}
  int channels() const override { return tiles::kChannels; }
  std::vector<Argument> inputs() const override;
  std::vector<Argument> gradient_inputs() const override;
  std::vector<Argument> gradient_outputs() const override;
  Expr padded_features(const Arguments& arguments, const Expr& d) const override;
  Func features(const Arguments& arguments, const TokenTile& tile) override;
  Gradient gradient(const Arguments& arguments, const Func& dphi) override;
  void schedule_features(const Halide::Target& target, Func out) override;
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override;
  void schedule_rows(Func out) override;
  void schedule_rows_gradient(Func out) override;
  void schedule_shared(const SharedTile& tile) override;
  void schedule_shared_gradient(const Halide::LoopLevel& site) override;

  /// The table's row of site (i, n), and the gradient at psi(D, n) of the last gradient() call.
  const Func& row() const { return row_; }
  Func& psi_gradient() { return dpsi_; }
  /// GPU: row() of a tile of tokens and that many projections in shared memory.
  void share_row(const Halide::LoopLevel& at, int projections);

 protected:
  bool reads_projection() const override { return !located_; }

 private:
  void take_sites(const Arguments& arguments, const TokenTile& tile);
  void search(const Arguments& arguments);
  void halve(const Arguments& arguments);
  /// GPU: the search of as many projections as one round of that loop reads, side by side.
  void search_in(const Halide::LoopLevel& block);
  void define_row(const Arguments& arguments, const Expr& segment);

  bool located_;
  Func row_{"row"}, psi_{"psi"}, dpsi_{"dpsi"}, slope_{"slope"}, g0_{"g0_sum"}, g1_{"g1_sum"};
  std::optional<KnotSearch> search_;
  Func segment_{"segment"};
  RDom halvings_;
  Expr floor_, rows_;
  RDom over_l_, sites_;
  Var l_;
};

}  // namespace luna
