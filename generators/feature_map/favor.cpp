#include "generators/feature_map/favor.h"

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Float;
using Halide::MemoryType;

std::vector<Argument> Favor::inputs() const {
  auto list = Projected::inputs();
  list.push_back({"half_scale", Float(32), 0});  // d^-1/2 / 2
  list.push_back({"amplitude", Float(32), 0});   // m^-1/2
  list.push_back({"epsilon", Float(32), 0});     // m^-1/2 eps
  if (options_.form == Form::rows) {
    list.push_back({"square", Float(32), 1});  // (n): |x|^2
  }
  if (options_.form != Form::tile) {  // (n, h, b), or (n): M of every token
    list.push_back({"stabiliser", Float(32), options_.form == Form::batched ? 3 : 1});
  } else {
    list.push_back({"projections", Halide::Int(32), 0});  // m of which M is taken, or 0:
    list.push_back({"stabiliser", Float(32), 0});         // M of this (b, h)
  }
  return list;
}

Func Favor::features(const Arguments& arguments, const TokenTile& tile) {
  project(arguments, tile);
  half_scale_ = arguments.scalars.at("half_scale");
  const Expr amplitude = arguments.scalars.at("amplitude");
  const Expr epsilon = arguments.scalars.at("epsilon");
  over_square_ = along(tile.d, "over_d_square");  // zeros beyond d
  square_(at(n_)) = 0.0f;
  square_(at(n_)) += tile.x(at(over_square_.k, n_)) * tile.x(at(over_square_.k, n_));
  Expr largest;
  if (options_.form != Form::tile) {
    largest = arguments.buffers.at("stabiliser")(at(n_));
  } else {
    const Expr projections = arguments.scalars.at("projections");
    over_m_ = along(projections, "over_m");
    const Expr lowest = Halide::Float(32).min();
    maximum_(n_) = lowest;
    maximum_(n_) =
        Halide::max(maximum_(n_), Halide::select(over_m_.is_real, t_(over_m_.k, n_), lowest));
    largest = Halide::select(projections == 0, arguments.scalars.at("stabiliser"), maximum_(n_));
  }
  const Expr square =
      options_.form == Form::rows ? arguments.buffers.at("square")(n_) : square_(at(n_));
  const Expr exponent = t_(at(D_, n_)) - (half_scale_ * square + largest);
  power_(at(D_, n_)) = amplitude * exponential(exponent);
  phi_(at(D_, n_)) = power_(at(D_, n_)) + epsilon;
  return phi_;
}

FeatureMap::Gradient Favor::gradient(const Arguments& arguments, const Func& dphi) {
  // d phi_i / d x = m^-1/2 exp(..) (W_i d^-1/4 - x d^-1/2). The exponential itself: phi_i - eps
  // has lost the digits of one that is far below eps.
  if (options_.form == Form::batched) phi_ = power_;
  const Func power = options_.form == Form::tile ? arguments.buffers.at("phi") : power_;
  dt_(at(i_, n_)) = dphi(at(i_, n_)) * power(at(i_, n_));
  const Gradient projected = project_back(arguments);
  if (options_.form != Form::tile) {
    return projected;
  }
  over_i_sum_ = along(projections_, "over_i_sum");
  sum_dt_(n_) = 0.0f;
  sum_dt_(n_) += dt_(over_i_sum_.k, n_);
  dx_(j_, n_) = projected.x(j_, n_) - 2.0f * half_scale_ * tile_.x(j_, n_) * sum_dt_(n_);
  return {dx_, projected.sums};
}

void Favor::schedule_features(const Halide::Target& target, Func out) {
  Projected::schedule_features(target, out);
  reduce_by_lanes(square_, over_square_);
  reduce_by_lanes(maximum_, over_m_);
}

void Favor::schedule_shared(const SharedTile& tile) {
  Projected::schedule_shared({tile.at, tile.features, tile.feature_rows});
  phi_.vectorize(Di_, warp::kVector).unroll(Di_);
  square_.compute_at(phi_, n_).store_in(MemoryType::Register);
  square_.update().unroll(over_square_.over.x, warp::kVector);
}

void Favor::schedule_gradient(const Halide::Target& target, const GradientLoops& at) {
  Projected::schedule_gradient(target, at);
  schedule_dt(target);
  reduce_by_lanes(sum_dt_, over_i_sum_);
}

const RegisterMap<Favor> kPerformer("performer");

}  // namespace luna
