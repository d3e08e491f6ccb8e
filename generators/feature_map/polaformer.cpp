// PolaFormer's polarity-aware map: phi(x) = [relu(x)^p, relu(-x)^p], one p >= 1 a coordinate; the
// halves exchanged where `exchanged` is 1. 0 ln 0 = 0, and the gradient at x = 0 is 0.
#include "generators/feature_map/blocks.h"

namespace luna {
namespace {

using Halide::select;

class PolaFormer : public Blocks {
 public:
  using Blocks::Blocks;
  std::vector<Argument> inputs() const override {
    return {{"p", Halide::Float(32), 1}, {"exchanged", Halide::Int(32), 0}};
  }
  std::vector<Argument> gradient_outputs() const override { return {{"dp", Halide::Float(32), 1}}; }
  std::vector<Argument> row_terms() const override { return {{"dp", Halide::Float(32), 2}}; }
  Expr padded_features(const Arguments&, const Expr& d) const override { return 2 * pitch(d); }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    tile_ = tile;
    p_ = arguments.buffers.at("p");
    first_ = arguments.scalars.at("exchanged") * pitch(tile.d);
    if (options_.form == Form::rows) {
      const Place place = place_of_feature(tile.d);
      const Expr x = tile.x(place.at, n_),
                 positive = place.block == arguments.scalars.at("exchanged");
      phi_(D_, n_) = power(select(positive, x, -x), p_(place.at));
      return phi_;
    }
    magnitude_(j_, n_) = power(Halide::abs(tile.x(j_, n_)), p_(j_));
    phi_(D_, n_) = unwritten();
    // (No x <= 0: Halide's simplifier makes it the opposite of x > 0, which a NaN is too.)
    for (const bool positive : {true, false}) {
      const RDom over_d(0, tile.d, "over_half");
      const Expr x = tile.x(over_d, n_), other = positive ? x < 0.0f : x > 0.0f;
      phi_(over_d + offset(positive), n_) = select_strictly(other, 0.0f, magnitude_(over_d, n_));
      runs_.push_back(over_d);
    }
    return phi_;
  }

  void schedule_features(const Halide::Target& target, Func out) override {
    Blocks::schedule_features(target, out);
    magnitude_.compute_at(out, n_).store_in(Halide::MemoryType::Stack);
    magnitude_.bound(j_, 0, pitch(tile_.d));
    magnitude_.vectorize(j_, target.natural_vector_size<float>(), Halide::TailStrategy::RoundUp);
  }

  Gradient gradient(const Arguments& arguments, const Func& dphi) override {
    const Func phi = given_features(arguments, phi_);
    const auto toward = [&](const Expr& j, const Expr& n, const Expr& x) {
      return select(x > 0.0f, dphi(j + offset(true), n), dphi(j + offset(false), n));
    };
    // |x|^p: the tile's features, one of which is 0 (weights are 0 or 1).
    const auto magnitude = [&](const Expr& j, const Expr& n, const Expr& size) {
      if (options_.form != Form::tile) return power(size, p_(j));
      return phi(j + offset(true), n) + phi(j + offset(false), n);
    };
    const Expr x = tile_.x(j_, n_), size = Halide::abs(x);
    const Expr slope = p_(j_) * magnitude(j_, n_, size) / size * toward(j_, n_, x);
    dx_(j_, n_) = Halide::strict_float(select(x == 0.0f, 0.0f, x < 0.0f, -slope, slope));
    const auto term = [&](const Expr& n) {
      const Expr y = tile_.x(j_, n), distance = Halide::abs(y);
      const Expr logarithm = select(distance > 0.0f, Halide::log(distance), 0.0f);
      return toward(j_, n, y) * magnitude(j_, n, distance) * logarithm;
    };
    if (options_.form == Form::rows) {
      dp_(j_, n_) = term(n_);
    } else {
      over_n_ = RDom(0, tile_.summed, "over_n");
      dp_(j_) = Halide::undef<float>();
      dp_(j_) += term(over_n_);
    }
    return {dx_, {{dp_, {pitch(tile_.d)}}}};
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops&) override {
    dp_.update()
        .reorder(j_, over_n_)
        .vectorize(j_, target.natural_vector_size<float>(), Halide::TailStrategy::RoundUp);
  }

 private:
  Expr offset(bool positive) const { return positive ? first_ : pitch(tile_.d) - first_; }
  /// max(y, 0)^p; NaN stays.
  Expr power(const Expr& y, const Expr& p) const {
    if (options_.form == Form::tile) {
      const Expr of_positive = select_strictly(y > 0.0f, exponential(p * Halide::log(y)), 0.0f);
      return select_strictly(Halide::is_nan(y), y, of_positive);
    }
    return Halide::strict_float(
        select(y > 0.0f, Halide::exp(p * Halide::log(y)), Halide::is_nan(y), y, 0.0f));
  }

  Func p_, magnitude_{"magnitude"}, dx_{"dx"}, dp_{"dp"};
  Expr first_;
  RDom over_n_;
};

const RegisterMap<PolaFormer> kPolaFormer("polaformer");

}  // namespace
}  // namespace luna
