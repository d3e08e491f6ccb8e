// Hedgehog (Zhang 2024), softmax form: phi = [softmax(y), softmax(-y)]. The projections are those
// of y, then those of -y: each half of them is normalised by itself. On the CPU the second half is
// the first one's negative: y alone is projected, and only the gradient at y is projected back.
#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/feature_map/blocks.h"
#include "generators/feature_map/projected.h"

namespace luna {
namespace {

using Halide::MemoryType;
using Halide::select;

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
    over_half_ = along(half_, "over_half");
    const Expr lowest = Halide::Float(32).min();
    largest_(h_, n_) = lowest;
    largest_(h_, n_) =
        Halide::max(largest_(h_, n_), select(over_half_.is_real, t(h_, over_half_.k), lowest));
    power_(k_, h_, n_) = decay(t(h_, k_) - largest_(h_, n_));
    total_(h_, n_) = 0.0f;
    total_(h_, n_) += select(over_half_.is_real, power_(over_half_.k, h_, n_), 0.0f);
    inverse_(h_, n_) = 1.0f / total_(h_, n_);
    if (options_.form == Form::rows) {
      const Expr h = select(D_ < half_, 0, 1);
      phi_(D_, n_) = power_(D_ - h * half_, h, n_) * of_half(inverse_, D_);
      return phi_;
    }
    own_projections_ = round_up(half_, tiles::kRowColumns);
    phi_(D_, n_) = unwritten();
    for (int h = 0; h < 2; h++) {
      runs_.emplace_back(0, half_, "over_run");
      phi_(runs_[h] + h * half_, n_) = power_(runs_[h], h, n_) * inverse_(h, n_);
    }
    return phi_;
  }

  Gradient gradient(const Arguments& arguments, const Func& dphi) override {
    const Func phi = given_features(arguments, phi_);
    over_back_ = along(half_, "over_back");
    const Expr i = h_ * half_ + over_back_.k;
    dot_(h_, n_) = 0.0f;
    dot_(h_, n_) += select(over_back_.is_real, dphi(i, n_) * phi(i, n_), 0.0f);
    const auto dt = [&](const Expr& i, const Expr& dot) {
      return phi(i, n_) * (dphi(i, n_) - dot);
    };
    dt_(i_, n_) = options_.form == Form::rows
                      ? dt(i_, of_half(dot_, i_))
                      : select(i_ < half_, dt(i_, dot_(0, n_)) - dt(i_ + half_, dot_(1, n_)), 0.0f);
    own_projections_ = round_up(half_, tiles::kLanes);  // second halves are there for as many
    return project_back(arguments);
  }

  void schedule_features(const Halide::Target& target, Func out) override {
    const int lanes = target.natural_vector_size<float>();
    const auto round_up = Halide::TailStrategy::RoundUp;
    Projected::schedule_features(target, out);
    for (Func* f : {&largest_, &total_}) {
      reduce_by_lanes(*f, over_half_);
      f->bound(h_, 0, 2);
    }
    power_.compute_root().store_in(MemoryType::Stack).bound(h_, 0, 2).unroll(h_);
    power_.bound(k_, 0, own_projections_).vectorize(k_, lanes, round_up);
    inverse_.compute_root().store_in(MemoryType::Stack).bound(h_, 0, 2);
    phi_.compute_at(out, n_).store_in(MemoryType::Stack);
    phi_.bound(D_, 0, tile_.features).vectorize(D_, lanes, round_up);
    schedule_runs(phi_, runs_, lanes);
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    Projected::schedule_gradient(target, at);
    schedule_dt(target);
    reduce_by_lanes(dot_, over_back_);
    dot_.bound(h_, 0, 2);
  }

  void schedule_rows(Func out) override {
    share_tokens(out);
    for (Func* f : {&largest_, &total_}) of_both(*f, out).update().unroll(h_);
    of_both(inverse_, out);
  }
  void schedule_rows_gradient(Func out) override {
    share_tokens(out);
    of_both(dot_, out).update().unroll(h_);
  }

 protected:
  bool reads_projection() const override { return false; }

 private:
  /// Projection k of half h.
  Expr t(const Expr& h, const Expr& k) const {
    if (options_.form == Form::rows) return t_(h * half_ + k, n_);
    return select(h == 0, t_(k, n_), -t_(k, n_));
  }
  /// The value of the half that feature D is in.
  Expr of_half(const Func& f, const Expr& D) const { return select(D < half_, f(0, n_), f(1, n_)); }

  /// Rows form: of both halves of a token.
  Func of_both(Func f, const Func& out) const {
    return warp::of_token(f, out).bound(h_, 0, 2).unroll(h_);
  }

  Var h_{"h"}, k_{"k"};
  Expr half_;
  Along over_half_, over_back_;
  std::vector<RDom> runs_;
  Func largest_{"largest"}, power_{"power"}, total_{"total"}, inverse_{"inverse"}, dot_{"dot"};
};

const RegisterMap<SoftmaxHalves> kSoftmaxHalves("softmax_halves");

}  // namespace
}  // namespace luna
