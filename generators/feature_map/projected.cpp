#include "generators/feature_map/projected.h"

#include "generators/common/tiles.h"

namespace luna {

using Halide::Float;
using Halide::MemoryType;

std::vector<Argument> Projected::inputs(Side) const {
  // proj(i, j): projections innermost, padded to kLanes.
  return {{"proj", Float(32), 2}, {"bias", Float(32), 1}};
}

std::vector<Argument> Projected::gradient_inputs() const {
  return {{"proj_rows", Float(32), 2}};  // (j, i): W's own rows, padded to kLanes
}

std::vector<Argument> Projected::gradient_outputs() const {
  return {{"dproj", Float(32), 2}, {"dbias", Float(32), 1}};  // dproj(j, i)
}

void Projected::project(const Arguments& arguments, const Func& x, const Expr& d) {
  x_ = x;
  over_d_ = RDom(0, d, "over_d");
  t_(i_, n_) = arguments.buffers.at("bias")(i_);
  t_(i_, n_) += arguments.buffers.at("proj")(i_, over_d_) * x(over_d_, n_);
}

FeatureMap::Gradient Projected::project_back(const Arguments& arguments, const Expr& tokens) {
  const Expr projections = arguments.shapes.at("proj_rows").dim(1).extent();
  over_i_ = RDom(0, projections, "over_i");
  over_n_ = RDom(0, tokens, "over_n");
  over_n_bias_ = RDom(0, tokens, "over_n_bias");
  dx_(j_, n_) = 0.0f;
  dx_(j_, n_) += arguments.buffers.at("proj_rows")(j_, over_i_) * dt_(over_i_, n_);
  dproj_tile_(j_, i_) = 0.0f;
  dproj_tile_(j_, i_) += x_(j_, over_n_) * dt_(i_, over_n_);
  dproj_(j_, i_) = Halide::undef<float>();
  dproj_(j_, i_) += dproj_tile_(j_, i_);
  dbias_(i_) = Halide::undef<float>();
  dbias_(i_) += dt_(i_, over_n_bias_);
  return {dx_, {dproj_, dbias_}};
}

void Projected::schedule_features(const Halide::Target& target) {
  // A register block of one vector of projections times 8 tokens: W is read once for 8 tokens.
  const int lanes = target.natural_vector_size<float>();
  const Var no("no"), ni("ni");
  t_.compute_root().store_in(MemoryType::Stack).bound_storage(n_, tiles::kTokens);
  t_.vectorize(i_, lanes, Halide::TailStrategy::RoundUp);
  t_.align_storage(i_, tiles::kLanes).align_bounds(i_, tiles::kLanes).align_bounds(n_, 8);
  t_.update()
      .split(n_, no, ni, 8, Halide::TailStrategy::RoundUp)
      .reorder(i_, ni, over_d_, no)
      .vectorize(i_, lanes, Halide::TailStrategy::RoundUp)
      .unroll(ni);
}

void Projected::schedule_gradient(const Halide::Target& target, const Halide::LoopLevel& dx_at) {
  const int lanes = target.natural_vector_size<float>();
  const Var jo("jo"), jv("jv"), io("io"), ii("ii");
  const auto round_up = Halide::TailStrategy::RoundUp;
  dx_.compute_at(dx_at).align_bounds(j_, tiles::kLanes).vectorize(j_, lanes, round_up);
  dx_.update().split(j_, jo, jv, lanes, round_up).reorder(jv, jo, n_, over_i_).vectorize(jv);
  if (options_.size) {
    dx_.store_in(MemoryType::Register).unroll(j_).unroll(n_);
    dx_.update().unroll(jo).unroll(n_);
  }

  dproj_.split(i_, io, ii, 4, round_up).vectorize(j_, lanes, round_up);
  dproj_.update()
      .split(i_, io, ii, 4, round_up)
      .split(j_, jo, jv, lanes, round_up)
      .reorder(jv, ii, jo, io)
      .vectorize(jv)
      .unroll(ii);
  dproj_tile_.compute_at(dproj_, jo)
      .store_in(MemoryType::Register)
      .bound_extent(i_, 4)
      .bound_extent(j_, lanes)
      .vectorize(j_, lanes)
      .unroll(i_);
  dproj_tile_.update().reorder(j_, i_, over_n_).vectorize(j_, lanes).unroll(i_);
  dbias_.vectorize(i_, lanes, round_up);
  dbias_.update().reorder(i_, over_n_bias_).vectorize(i_, lanes, round_up);
}

}  // namespace luna
