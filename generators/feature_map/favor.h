// FAVOR+ (Choromanski 2021): phi_i(x) = m^-1/2 [exp(t_i - |x|^2 d^-1/2 / 2 - M) + eps], t = W x
// d^-1/4. M is a constant to the gradient: max_i t_i of a query token, an input per (b, h) of the
// keys; on a GPU an input per token on both sides. The gradient of a tile takes features of eps 0.
#pragma once

#include "generators/feature_map/projected.h"

namespace luna {

class Favor : public Projected {
 public:
  using Projected::Projected;
  std::vector<Argument> inputs() const override;
  std::vector<std::pair<std::string, Func>> token_outputs() const override {
    return {{"largest", maximum_}};  // t of the token, where M is its own
  }
  Func features(const Arguments& arguments, const TokenTile& tile) override;
  Gradient gradient(const Arguments& arguments, const Func& dphi) override;
  void schedule_features(const Halide::Target& target, Func out) override;
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override;
  void schedule_shared(const SharedTile& tile) override;

 protected:
  bool reads_projection() const override { return false; }

 private:
  Func power_{"power"}, square_{"square"}, maximum_{"maximum"}, sum_dt_{"sum_dt"}, dx_{"dx_favor"};
  Along over_square_, over_m_, over_i_sum_;
  Expr half_scale_;
};

}  // namespace luna
