// LUNA's psi as the MLP is written: phi_l(t) = max(b2_l + sum_h w2_lh act(w1_h t + b1_h), floor).
// The reference for psi_pwl, and the path of activations that are not piecewise linear.
#pragma once

#include "generators/common/tiles.h"
#include "generators/feature_map/projected.h"

namespace luna {

enum class Activation { relu, gelu, silu };

class PsiDense : public Projected {
 public:
  PsiDense(const MapOptions& options, Activation activation)
      : Projected(options), activation_(activation) {}
  int channels() const override { return tiles::kChannels; }
  std::vector<Argument> inputs() const override;
  std::vector<Argument> gradient_inputs() const override;
  std::vector<Argument> gradient_outputs() const override;
  Func features(const Arguments& arguments, const TokenTile& tile) override;
  Gradient gradient(const Arguments& arguments, const Func& dphi) override;
  void schedule_features(const Halide::Target& target, Func out) override;
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override;
  void schedule_rows(Func out) override;
  void schedule_rows_gradient(Func out) override;
  void schedule_shared(const SharedTile& tile) override;
  void schedule_shared_gradient(const Halide::LoopLevel& site) override;

  /// Value of hidden unit h at site (i, n) of the last features() call.
  Expr unit(const Expr& h, const Expr& i, const Expr& n) const;
  /// Of the last gradient() call: the gradient at psi(D, n), and at the argument of hidden unit h
  /// (h, i, n) with the sum it is made of.
  Func& psi_gradient() { return dpsi_; }
  Func& unit_gradient() { return dhidden_; }
  const Func& linear_gradient() const { return dlinear_; }
  const RDom& over_channels() const { return over_l_; }

 private:
  /// CPU: psi where consumer(D, n) reads it.
  void schedule_psi(Func consumer, const Halide::Target& target);
  /// Argument of hidden unit h at site (i, n).
  Expr linear(const Expr& h, const Expr& i, const Expr& n) const;
  Expr sigmoid(const Expr& y) const;
  Expr activate(const Expr& y) const;
  Expr activate_gradient(const Expr& y) const;

  Activation activation_;
  Var l_{"l"}, h_{"unit"};
  Func hidden_{"hidden"}, psi_{"psi"}, dpsi_{"dpsi"}, dhidden_{"dhidden"}, dlinear_{"dlinear"};
  Func dw1_{"dw1"}, db1_{"db1"}, dw2_{"dw2"}, db2_{"db2"};
  Func w1_, b1_;
  Expr floor_;
  RDom over_h_, over_l_, over_h_back_, sites_, products_;
};

}  // namespace luna
