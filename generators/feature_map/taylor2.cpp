// Taylor-2 (Based), symmetric and packed: phi(x) = [1, a x_i, b x_i^2, c x_i x_j (i < j, row by
// row)], a = d^-1/4, b = (2 d)^-1/2, c = d^-1/2, so that phi(q) phi(k) = 1 + s + s^2 / 2, s = q k /
// sqrt(d).
#include "generators/feature_map/blocks.h"

namespace luna {
namespace {

using Halide::MemoryType;

class Taylor2 : public Blocks {
 public:
  using Blocks::Blocks;
  std::vector<Argument> inputs() const override {
    const Halide::Type real = Halide::Float(32);
    return {{"linear", real, 0}, {"square", real, 0}, {"cross", real, 0}};  // a, b, c
  }
  Expr padded_features(const Arguments&, const Expr& d) const override {
    return pitch(1 + 2 * d + d * (d - 1) / 2);
  }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    tile_ = tile;
    linear_ = arguments.scalars.at("linear");
    square_ = arguments.scalars.at("square");
    cross_ = arguments.scalars.at("cross");
    const RDom first(0, 1, "first"), over_linear(0, tile.d, "over_linear"),
        over_square(0, tile.d, "over_square");
    RDom pairs(0, tile.d, 0, tile.d, "pairs");
    const auto x = [&](const Expr& j) { return tile.x(j, n_); };
    phi_(D_, n_) = 0.0f;
    phi_(first, n_) = 1.0f;
    phi_(1 + over_linear, n_) = linear_ * x(over_linear);
    phi_(1 + tile.d + over_square, n_) = square_ * x(over_square) * x(over_square);
    const Expr i = pairs.y, j = i + 1 + pairs.x;
    pairs.where(j < tile.d);
    phi_(pair(i, pairs.x), n_) =
        cross_ * x(i) * x(Halide::unsafe_promise_clamped(j, 0, tile.d - 1));
    runs_ = {first, over_linear, over_square, pairs};
    return phi_;
  }

  Gradient gradient(const Arguments&, const Func& dphi) override {
    const Expr d = tile_.d;
    const auto x = [&](const Expr& j) { return tile_.x(j, n_); };
    if (options_.form == Form::rows) {
      return {gathered(dphi), {}};
    }
    sum_(j_, n_) = 0.0f;
    over_d_ = RDom(0, d, "over_d_back");
    sum_(over_d_, n_) +=
        linear_ * dphi(1 + over_d_, n_) + 2.0f * square_ * x(over_d_) * dphi(1 + d + over_d_, n_);
    pairs_ = RDom(0, d, 0, d, "pairs_back");
    pairs_.where(pairs_.y + 1 + pairs_.x < d);
    const Expr i = pairs_.y, j = Halide::unsafe_promise_clamped(i + 1 + pairs_.x, 0, d - 1);
    const Expr g = cross_ * dphi(pair(i, pairs_.x), n_);
    sum_(j, n_) += g * x(i);
    sum_(i, n_) += g * x(j);
    dx_(j_, n_) = sum_(j_, n_);
    return {dx_, {}};
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    const int lanes = target.natural_vector_size<float>();
    sum_.compute_at(at.tokens).store_in(MemoryType::Stack);
    sum_.bound(j_, 0, pitch(tile_.d)).vectorize(j_, lanes, Halide::TailStrategy::RoundUp);
    schedule_runs(sum_, {over_d_, pairs_}, lanes);
    sum_.update(2).atomic().vectorize(pairs_.x, lanes, Halide::TailStrategy::GuardWithIf);
  }

  void schedule_rows_gradient(Func out) override {
    warp::by_rows(out, warp::kRowColumns);
    warp::of_column(sum_, out);
  }

 private:
  /// Rows form: the gradient at every coordinate from the features that it is in.
  Func gathered(const Func& dphi) {
    const Expr d = tile_.d, j = Halide::min(j_, d - 1);
    over_d_ = RDom(0, d, "over_d_back");
    const Expr first = Halide::min(over_d_, j), second = Halide::max(over_d_, j);
    const Expr at = Halide::clamp(place(first, second - first - 1), 0, tile_.features - 1);
    sum_(j_, n_) =
        linear_ * dphi(1 + j, n_) + 2.0f * square_ * tile_.x(j, n_) * dphi(1 + d + j, n_);
    sum_(j_, n_) +=
        Halide::select(over_d_ == j, 0.0f, cross_ * dphi(at, n_) * tile_.x(over_d_, n_));
    dx_(j_, n_) = Halide::select(j_ < d, sum_(j_, n_), 0.0f);
    return dx_;
  }
  /// Where the pair (i, i + 1 + k) lies, i + 1 + k < d.
  Expr place(const Expr& i, const Expr& k) const {
    return 1 + 2 * tile_.d + i * (2 * tile_.d - i - 1) / 2 + k;
  }
  Expr pair(const Expr& i, const Expr& k) const {
    return Halide::unsafe_promise_clamped(place(i, k), 0, tile_.features - 1);
  }

  Expr linear_, square_, cross_;
  Func sum_{"dx_sum"}, dx_{"dx"};
  RDom over_d_, pairs_;
};

const RegisterMap<Taylor2> kTaylor2("taylor2");

}  // namespace
}  // namespace luna
