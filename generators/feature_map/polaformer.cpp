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
    phi_(D_, n_) = unwritten();
    for (const bool positive : {true, false}) {
      const RDom over_d(0, tile.d, "over_half");
      const Expr x = tile.x(over_d, n_);
      phi_(over_d + offset(positive), n_) = power(positive ? x : -x, p_(over_d));
      runs_.push_back(over_d);
    }
    return phi_;
  }

  Gradient gradient(const Arguments&, const Func& dphi) override {
    const auto toward = [&](const Expr& j, const Expr& n, const Expr& x) {
      return select(x > 0.0f, dphi(j + offset(true), n), dphi(j + offset(false), n));
    };
    const Expr x = tile_.x(j_, n_), size = Halide::abs(x);
    const Expr slope = p_(j_) * power(size, p_(j_)) / size * toward(j_, n_, x);
    dx_(j_, n_) = Halide::strict_float(select(x == 0.0f, 0.0f, x < 0.0f, -slope, slope));
    const auto term = [&](const Expr& n) {
      const Expr y = tile_.x(j_, n), distance = Halide::abs(y);
      const Expr logarithm = select(distance > 0.0f, Halide::log(distance), 0.0f);
      return toward(j_, n, y) * power(distance, p_(j_)) * logarithm;
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
  static Expr power(const Expr& y, const Expr& p) {
    return Halide::strict_float(
        select(y > 0.0f, Halide::exp(p * Halide::log(y)), Halide::is_nan(y), y, 0.0f));
  }

  Func p_, dx_{"dx"}, dp_{"dp"};
  Expr first_;
  RDom over_n_;
};

const RegisterMap<PolaFormer> kPolaFormer("polaformer");

}  // namespace
}  // namespace luna
