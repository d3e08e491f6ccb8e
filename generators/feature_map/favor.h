// FAVOR+ (Choromanski 2021): phi_i(x) = m^-1/2 [exp(t_i - |x|^2 d^-1/2 / 2 - M) + eps], t = W x
// d^-1/4. M is a constant to the gradient: of a query token max_i t_i, of the keys an input per
// (b, h); in batched form an input per token on both sides.
#pragma once

#include "generators/feature_map/projected.h"

namespace luna {

class Favor : public Projected {
 public:
  using Projected::Projected;
  std::vector<Argument> inputs(Side side) const override;
  Func features(const Arguments& arguments, const TokenTile& tile, Side side) override;
  Gradient gradient(const Arguments& arguments, const Func& dphi) override;
  void schedule_features(const Halide::Target& target) override;
  void schedule_gradient(const Halide::Target& target, const Halide::LoopLevel& dx_at) override;
  void schedule_shared(const SharedTile& tile) override;

 private:
  Func square_{"square"}, maximum_{"maximum"}, sum_dt_{"sum_dt"}, dx_{"dx_favor"};
  RDom over_square_;
  Expr half_scale_, amplitude_, epsilon_;
};

}  // namespace luna
