// Maps that are functions of a projection t = W x + b: t forward, dx = W^T dt, dW += x dt^T, db +=
// dt backward.
#pragma once

#include "generators/feature_map/feature_map.h"

namespace luna {

class Projected : public FeatureMap {
 public:
  using FeatureMap::FeatureMap;
  std::vector<Argument> inputs() const override;
  std::vector<Argument> gradient_inputs() const override;
  std::vector<Argument> gradient_outputs() const override;
  Expr padded_features(const Arguments& arguments, const Expr& d) const override;
  void schedule_features(const Halide::Target& target, Func out) override;
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override;
  void schedule_shared(const SharedTile& tile) override;

  /// GPU: the projections that one round of that loop reads, in registers.
  void share_projection(const Halide::LoopLevel& block);
  /// t(i, n) of the last features() call.
  const Func& projection() const { return t_; }

 protected:
  /// Whether the gradient reads the projection, and not the features alone.
  virtual bool reads_projection() const { return true; }
  /// CPU: the projection, once per tile.
  void schedule_projection(const Halide::Target& target);
  /// A reduction along k < extent; on the CPU in whole vectors, whose last one also reads what is
  /// beyond and has to be kept out by is_real.
  struct Along {
    RDom over;
    Expr k, is_real;
  };
  Along along(const Expr& extent, const std::string& name) const;
  /// CPU: f(.., n), a sum or a maximum and once per tile: by lanes first, the lanes pairwise. (A
  /// vectorised reduction would take the lanes one by one.)
  static void reduce_by_lanes(Func& f, const Along& along);
  /// CPU: dt_, once per tile.
  void schedule_dt(const Halide::Target& target);
  /// Defines t_(i, n).
  void project(const Arguments& arguments, const TokenTile& tile);
  /// Gradient of the projection from dt_(i, n), which the derived map has defined; on a GPU dt_
  /// itself.
  Gradient project_back(const Arguments& arguments);
  /// Projections that a lane computes at once, and the loop over blocks of them inside which it
  /// does (schedule_shared; maps schedule their own Funcs there).
  int block_ = 0;
  Var Do_{"Do"}, Di_{"Di"}, io_{"io"}, ii_{"ii"};
  /// A value f(i, n) of every site in shared memory.
  void share_sites(Func& f, const SharedTile& tile) const;
  /// The value f(i, n) of one lane's site, in a register.
  Func& own_site(Func& f, const Halide::LoopLevel& site) const;
  /// Computed once per tile, on the stack, with extents known to the vectoriser.
  Func& per_tile(Func& f) const;
  Func& per_tile(Func& f, const Expr& projections) const;

  Var D_{"D"}, i_{"i"}, n_{"n"}, j_{"j"};
  Expr projections_;  ///< after padding
  /// CPU: those that are not another one's negative: what is projected, a multiple of kRowColumns,
  /// and projected back, of kLanes.
  Expr own_projections_;
  Func t_{"t"}, phi_{"phi"}, dt_{"dt"};

 private:
  RDom over_d_, over_i_, over_n_, over_n_bias_;
  Func w_{"w"};  ///< GPU: (j, i), what a lane reads of W at once
  Func t_block_{"t_block"}, dx_{"dx"}, dproj_{"dproj_sum"}, dproj_block_{"dproj_block"};
  Func dbias_{"dbias_sum"};
};

}  // namespace luna
