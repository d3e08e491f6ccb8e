// Base of the maps of one coordinate, D = d: a derived map supplies the formula and its derivative.
#pragma once

#include "generators/feature_map/feature_map.h"

namespace luna {

class Elementwise : public FeatureMap {
 public:
  using FeatureMap::FeatureMap;
  bool elementwise() const override { return true; }
  std::vector<Argument> inputs() const override { return {}; }
  Expr padded_features(const Arguments& arguments, const Expr& d) const override;
  Func features(const Arguments& arguments, const TokenTile& tile) override;
  Gradient gradient(const Arguments& arguments, const Func& dphi) override;
  void schedule_features(const Halide::Target& target, Func out) override;
  void schedule_gradient(const Halide::Target&, const GradientLoops&) override {}
  void schedule_shared(const SharedTile& tile) override;

 protected:
  virtual Expr value(const Expr& x) const = 0;
  /// dx, given phi(x) and the gradient that reaches it.
  virtual Expr derivative(const Expr& x, const Expr& phi, const Expr& dphi) const = 0;

 private:
  Var D_{"D"}, n_{"n"}, j_{"j"};
  Func phi_{"phi"}, dx_{"dx"};
};

}  // namespace luna
