// Hedgehog (Zhang 2024), softmax form: phi = [softmax(y), softmax(-y)]. The projections are those
// of y, then those of -y: each half of them is normalised by itself.
#include "generators/common/numeric.h"
#include "generators/feature_map/projected.h"

namespace luna {
namespace {

using Halide::MemoryType;

class SoftmaxHalves : public Projected {
 public:
  using Projected::Projected;

  std::vector<Argument> inputs() const override {
    auto list = Projected::inputs();
    list.push_back({"half", Halide::Int(32), 0});  // projections of y
    return list;
  }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    project(arguments, tile);
    half_ = arguments.scalars.at("half");
    over_half_ = RDom(0, half_, "over_half");
    const Expr i = h_ * half_ + over_half_;
    largest_(h_, n_) = Halide::Float(32).min();
    largest_(h_, n_) = Halide::max(largest_(h_, n_), t_(i, n_));
    power_(i_, n_) = exp_nan(t_(i_, n_) - of_half(largest_, i_));
    total_(h_, n_) = 0.0f;
    total_(h_, n_) += power_(i, n_);
    inverse_(h_, n_) = 1.0f / total_(h_, n_);
    phi_(D_, n_) = power_(D_, n_) * of_half(inverse_, D_);
    return phi_;
  }

  Gradient gradient(const Arguments& arguments, const Func& dphi) override {
    const Func phi = given_features(arguments, phi_);
    over_back_ = RDom(0, half_, "over_back");
    const Expr i = h_ * half_ + over_back_;
    dot_(h_, n_) = 0.0f;
    dot_(h_, n_) += dphi(i, n_) * phi(i, n_);
    dt_(i_, n_) = phi(i_, n_) * (dphi(i_, n_) - of_half(dot_, i_));
    return project_back(arguments);
  }

  void schedule_features(const Halide::Target& target, Func out) override {
    const int lanes = target.natural_vector_size<float>();
    Projected::schedule_features(target, out);
    per_tile(power_).vectorize(i_, lanes, Halide::TailStrategy::RoundUp);
    for (Func* f : {&largest_, &total_}) {
      reduce_by_lanes(*f, over_half_, target);
      f->bound(h_, 0, 2);
    }
    inverse_.compute_root().store_in(Halide::MemoryType::Stack).bound(h_, 0, 2);
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    Projected::schedule_gradient(target, at);
    schedule_dt(target);
    reduce_by_lanes(dot_, over_back_, target);
    dot_.bound(h_, 0, 2);
  }

  void schedule_rows(Func out) override {
    each_by_itself(out);
    for (Func* f : {&largest_, &total_}) of_both(*f, out).update().unroll(h_);
    of_both(inverse_, out);
  }
  void schedule_rows_gradient(Func out) override {
    each_by_itself(out);
    of_both(dot_, out).update().unroll(h_);
  }

 protected:
  bool reads_projection() const override { return false; }

 private:
  /// The value of the half that feature D is in.
  Expr of_half(const Func& f, const Expr& D) const {
    return Halide::select(D < half_, f(0, n_), f(1, n_));
  }

  /// Rows form: of both halves of a token.
  Func of_both(Func f, const Func& out) const {
    return warp::of_token(f, out).bound(h_, 0, 2).unroll(h_);
  }

  Var h_{"h"};
  Expr half_;
  RDom over_half_, over_back_;
  Func largest_{"largest"}, power_{"power"}, total_{"total"}, inverse_{"inverse"}, dot_{"dot"};
};

const RegisterMap<SoftmaxHalves> kSoftmaxHalves("softmax_halves");

}  // namespace
}  // namespace luna
