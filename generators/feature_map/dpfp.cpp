// DPFP-nu (Schlag 2021): r = relu([x, -x]), phi_v,i = r_i r_(i + v) mod 2 d for v = 1 .. nu; D = 2
// d nu. r is kept with its first nu values once more behind it, so that i + v needs no modulus.
#include "generators/feature_map/blocks.h"

namespace luna {
namespace {

using Halide::MemoryType;

class Dpfp : public Blocks {
 public:
  using Blocks::Blocks;
  std::vector<Argument> inputs() const override { return {{"nu", Halide::Int(32), 0}}; }
  Expr padded_features(const Arguments& arguments, const Expr& d) const override {
    return arguments.scalars.at("nu") * pitch(2 * d);
  }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    tile_ = tile;
    nu_ = arguments.scalars.at("nu");
    const Expr d = tile.d;
    if (options_.form == Form::rows) {
      const Place place = place_of_feature(2 * d);
      const Expr own = Halide::min(place.at, 2 * d - 1),
                 partner = own + (place.block + 1) % (2 * d);
      phi_(D_, n_) = rectified(own) * rectified(within(partner, 2 * d));
      return phi_;
    }
    const RDom over(0, 2 * d, 0, nu_, "over_pairs");
    runs_ = {over};
    phi_(D_, n_) = unwritten();
    const Expr D = over.y * pitch(2 * d) + over.x, partner = over.x + over.y + 1;
    const RDom over_d(0, d, "over_d"), wrapped(0, nu_, "wrapped");
    r_(j_, n_) = 0.0f;
    r_(over_d, n_) = floor_at(tile.x(over_d, n_), 0.0f);
    r_(over_d + d, n_) = floor_at(-tile.x(over_d, n_), 0.0f);
    r_(wrapped + 2 * d, n_) = r_(wrapped, n_);
    r_runs_ = {over_d, over_d};
    phi_(D, n_) = r_(over.x, n_) * r_(partner, n_);
    return phi_;
  }

  Gradient gradient(const Arguments&, const Func& dphi) override {
    const Expr d = tile_.d;
    if (options_.form == Form::rows) {
      return {gathered(dphi), {}};
    }
    over_ = RDom(0, 2 * d, 0, nu_, "over_back");
    const Expr g = dphi(over_.y * pitch(2 * d) + over_.x, n_);
    const Expr partner = over_.x + over_.y + 1;
    dr_(j_, n_) = 0.0f;
    dr_(over_.x, n_) += g * r_(partner, n_);
    dr_(partner, n_) += g * r_(over_.x, n_);
    const RDom wrapped(0, nu_, "wrapped_back");
    dr_(wrapped, n_) += dr_(wrapped + 2 * d, n_);
    const Expr x = tile_.x(j_, n_);
    const Expr slope = Halide::select(x > 0.0f, dr_(j_, n_), -dr_(j_ + d, n_));
    dx_(j_, n_) = Halide::strict_float(Halide::select(x == 0.0f, 0.0f, slope));
    return {dx_, {}};
  }

  void schedule_features(const Halide::Target& target, Func out) override {
    Blocks::schedule_features(target, out);
    schedule_r(target, Halide::LoopLevel(out, n_));
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    const int lanes = target.natural_vector_size<float>();
    schedule_r(target, at.tokens);
    dr_.compute_at(at.tokens).store_in(MemoryType::Stack);
    dr_.bound(j_, 0, extent()).vectorize(j_, lanes, Halide::TailStrategy::GuardWithIf);
    dr_.update(2).unscheduled();  // nu values
    for (int k = 0; k < 2; k++) {
      dr_.update(k).allow_race_conditions().vectorize(over_.x, lanes,
                                                      Halide::TailStrategy::GuardWithIf);
    }
  }

  void schedule_rows_gradient(Func out) override {
    warp::by_rows(out, rows({1, warp::kLanes, 8}));
    warp::of_column(dr_, out);
  }

 private:
  /// i modulo n, for 0 <= i < 2 n.
  static Expr within(const Expr& i, const Expr& n) {
    return Halide::unsafe_promise_clamped(Halide::select(i < n, i, i - n), 0, n - 1);
  }
  /// Rows form: r_i, and the gradient at every coordinate from the features that it is in.
  Expr rectified(const Expr& i) const {
    const Expr d = tile_.d, x = tile_.x(within(i, d), n_);
    return floor_at(Halide::select(i < d, x, -x), 0.0f);
  }
  Func gathered(const Func& dphi) {
    const Expr d = tile_.d, x = tile_.x(j_, n_);
    const Expr own = Halide::min(j_, d - 1) + Halide::select(x > 0.0f, 0, d);
    const RDom over_nu(0, nu_, "over_nu");
    const Expr after = (own + over_nu + 1) % (2 * d), before = (own - over_nu - 1) % (2 * d);
    const auto g = [&](const Expr& i) { return dphi(over_nu * pitch(2 * d) + i, n_); };
    dr_(j_, n_) = 0.0f;
    dr_(j_, n_) += g(own) * rectified(after) + g(before) * rectified(before);
    const Expr slope = Halide::select(x > 0.0f, dr_(j_, n_), -dr_(j_, n_));
    dx_(j_, n_) = Halide::strict_float(Halide::select(x == 0.0f, 0.0f, slope));
    return dx_;
  }
  Expr extent() const { return 2 * pitch(tile_.d) + nu_; }
  void schedule_r(const Halide::Target& target, const Halide::LoopLevel& at) {
    const int lanes = target.natural_vector_size<float>();
    r_.compute_at(at).store_in(MemoryType::Stack);
    r_.bound(j_, 0, extent()).vectorize(j_, lanes, Halide::TailStrategy::GuardWithIf);
    schedule_runs(r_, r_runs_, lanes);
    r_.update(2).unscheduled();  // nu values
  }

  Expr nu_;
  Func r_{"r"}, dr_{"dr"}, dx_{"dx"};
  std::vector<RDom> r_runs_;
  RDom over_;
};

const RegisterMap<Dpfp> kDpfp("dpfp");

}  // namespace
}  // namespace luna
