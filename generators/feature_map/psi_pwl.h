#pragma once

#include <utility>
#include <vector>

#include "generators/feature_map/projected.h"

namespace luna {

class PsiPwl : public Projected {
 public:
  using Projected::Projected;
  std::vector<Argument> inputs(Side side) const override;
  std::vector<Argument> gradient_outputs() const override;
  Func features(const Arguments& arguments, const Func& x, const Expr& d, Side side) override;
  Gradient gradient(const Arguments& arguments, const Func& dphi, const Expr& tokens) override;
  void schedule_features(const Halide::Target& target) override;
  void schedule_gradient(const Halide::Target& target, const Halide::LoopLevel& dx_at) override;

 private:
  void search(const Arguments& arguments);

  Func row_{"row"}, dpsi_{"dpsi"}, g0_{"g0"}, g1_{"g1"};
  std::vector<std::pair<Func, RDom>> levels_;
  Expr floor_, rows_;
  RDom over_l_, sites_;
  Var l_;
  bool has_gradient_ = false;
};

}  // namespace luna
