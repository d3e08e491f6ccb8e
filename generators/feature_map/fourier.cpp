// Random Fourier features (Rahimi 2007; Peng 2021): phi_i(x) = a e^(g |x|^2 - M) cos(w_i x), or the
// sine: one of the two in the first half of the projections, the other in the second. g is 0 where
// there is no norm factor, and in the values of queries, whose M is their own g |x|^2; gradients
// take g from `growth` (rows form: the runtime, which adds that term).
#include "generators/common/numeric.h"
#include "generators/feature_map/projected.h"

namespace luna {
namespace {

using Halide::Float;
using Halide::MemoryType;

/// cos(x - quarters pi/2), a whole number of quarters, in float32, to about two units in the last
/// place up to |x| of some 10^4. Reduced to [-pi/4, pi/4] with pi/2 in three parts, of which whole
/// multiples are exact; beyond, where float32 holds few digits of the angle, the result loses them
/// too, but stays within [-1, 1].
Expr cosine(const Expr& x, const Expr& quarters) {
  constexpr float kTwoOverPi = 0.636619772f;
  constexpr float kPart1 = 1.5703125f, kPart2 = 4.83751296997e-4f, kPart3 = 7.54978995489e-8f;
  constexpr float kMostRest = 1.0f;      // beyond pi/4 by what x has lost
  constexpr float kMostQuarters = 1e9f;  // an int holds them
  const Expr whole = Halide::round(x * kTwoOverPi);
  const Expr rest = Halide::strict_float(((x - whole * kPart1) - whole * kPart2) - whole * kPart3);
  const Expr r = -floor_at(-floor_at(rest, -kMostRest), -kMostRest);  // a NaN stays
  const Expr s = r * r;
  const Expr sine =
      r + r * s * (-1.6666654611e-1f + s * (8.3321608736e-3f + s * -1.9515295891e-4f));
  const Expr even =
      s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
  const Expr cosine = 1.0f - 0.5f * s + even;
  const Expr turn =
      (Halide::cast<int>(Halide::clamp(whole, -kMostQuarters, kMostQuarters)) - quarters) & 3;
  const Expr value = Halide::select((turn & 1) == 0, cosine, sine);
  return Halide::select(turn == 1 || turn == 2, -value, value);
}

class Fourier : public Projected {
 public:
  using Projected::Projected;

  std::vector<Argument> inputs() const override {
    auto list = Projected::inputs();
    list.push_back({"half", Halide::Int(32), 0});         // projections of the first half
    list.push_back({"sines_first", Halide::Int(32), 0});  // 1, else 0
    list.push_back({"amplitude", Float(32), 0});          // a
    list.push_back({"growth", Float(32), 0});             // g of the gradient
    list.push_back({"grows", Float(32), 0});              // g of the value
    if (options_.form == Form::rows) {
      list.push_back({"square", Float(32), 1});  // (n): |x|^2
    }
    // M of this (b, h), or (n): of every token
    list.push_back({"stabiliser", Float(32), options_.form == Form::rows ? 1 : 0});
    return list;
  }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    project(arguments, tile);
    half_ = arguments.scalars.at("half");
    sines_first_ = arguments.scalars.at("sines_first");
    growth_ = arguments.scalars.at("growth");
    over_square_ = along(tile.d, "over_d_square");  // zeros beyond d
    square_(n_) = 0.0f;
    square_(n_) += tile.x(over_square_.k, n_) * tile.x(over_square_.k, n_);
    const Expr largest = options_.form == Form::rows ? arguments.buffers.at("stabiliser")(n_)
                                                     : arguments.scalars.at("stabiliser");
    const Expr square =
        options_.form == Form::rows ? arguments.buffers.at("square")(n_) : square_(n_);
    const Expr grows = arguments.scalars.at("grows");
    // Without norm factor nothing of |x|^2, which may be infinite.
    const Expr exponent = Halide::select(grows == 0.0f, 0.0f, grows * square) - largest;
    factor_(n_) = arguments.scalars.at("amplitude") * exponential(exponent);
    phi_(D_, n_) = factor_(n_) * cosine(t_(D_, n_), quarters(D_));
    return phi_;
  }

  Gradient gradient(const Arguments& arguments, const Func& dphi) override {
    // The derivative is minus the wave a quarter later; the norm factor adds 2 g x sum_i dphi_i
    // phi_i.
    const Func phi = given_features(arguments, phi_);
    dt_(i_, n_) = -dphi(i_, n_) * factor_(n_) * cosine(t_(i_, n_), quarters(i_) + 1);
    const Gradient projected = project_back(arguments);
    if (options_.form == Form::rows) {
      return projected;
    }
    over_i_sum_ = along(projections_, "over_i_sum");
    power_(n_) = 0.0f;
    power_(n_) += dphi(over_i_sum_.k, n_) * phi(over_i_sum_.k, n_);
    dx_fourier_(j_, n_) = projected.x(j_, n_) + 2.0f * growth_ * tile_.x(j_, n_) * power_(n_);
    return {dx_fourier_, projected.sums};
  }

  void schedule_features(const Halide::Target& target, Func out) override {
    Projected::schedule_features(target, out);
    schedule_factor(target);
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    Projected::schedule_gradient(target, at);
    schedule_dt(target);
    schedule_factor(target);
    reduce_by_lanes(power_, over_i_sum_);
  }
  void schedule_rows(Func out) override {
    share_tokens(out);
    warp::of_token(factor_, out);
  }
  void schedule_rows_gradient(Func out) override { schedule_rows(out); }

 private:
  void schedule_factor(const Halide::Target& target) {
    reduce_by_lanes(square_, over_square_);
    factor_.compute_root().store_in(MemoryType::Stack);
  }

  /// 1 where feature i is a sine.
  Expr quarters(const Expr& i) const {
    return Halide::select(i < half_, sines_first_, 1 - sines_first_);
  }

  Expr half_, sines_first_, growth_;
  Along over_square_, over_i_sum_;
  Func square_{"square"}, factor_{"factor"}, power_{"power"}, dx_fourier_{"dx_fourier"};
};

const RegisterMap<Fourier> kFourier("fourier");

}  // namespace
}  // namespace luna
