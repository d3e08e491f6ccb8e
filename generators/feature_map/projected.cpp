#include "generators/feature_map/projected.h"

#include <algorithm>

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Float;
using Halide::MemoryType;
using Halide::TailStrategy;

std::vector<Argument> Projected::inputs() const {
  if (options_.form == Form::rows) {
    return {{"t", Float(32), 2}};  // (i, n)
  }
  if (options_.form == Form::batched) {  // (j, i): one lane reads a projection's own row
    return {{"proj", Float(32), 2, options_.size}, {"bias", Float(32), 1}};
  }
  // proj(i, j): projections innermost, padded as padded_features() says.
  return {{"proj", Float(32), 2}, {"bias", Float(32), 1}};
}

std::vector<Argument> Projected::gradient_inputs() const {
  return {{"proj_rows", Float(32), 2}};  // (j, i): W's own rows, padded to kRowColumns
}

std::vector<Argument> Projected::gradient_outputs() const {
  return {{"dproj", Float(32), 2}, {"dbias", Float(32), 1}};  // dproj(j, i)
}

Expr Projected::padded_features(const Arguments& arguments, const Expr&) const {
  const int step = options_.form == Form::tile ? tiles::tile_projections(channels())
                                               : tiles::projection_block(channels());
  const char* projections = options_.form == Form::rows ? "t" : "bias";
  return arguments.shapes.at(projections).dim(0).extent() / step * step * channels();
}

void Projected::project(const Arguments& arguments, const TokenTile& tile) {
  tile_ = tile;
  projections_ = own_projections_ = tile.features / channels();
  if (options_.form == Form::rows) {
    // (A tile may reach beyond the last token.)
    t_(i_, n_) = arguments.buffers.at("t")(i_, Halide::min(n_, tile.tokens - 1));
    return;
  }
  over_d_ = RDom(0, tile.d, "over_d");
  t_block_(at(i_, n_)) = arguments.buffers.at("bias")(i_);
  const Func& proj = arguments.buffers.at("proj");
  if (options_.form == Form::batched) w_(j_, i_) = proj(j_, i_);
  const Expr weight = options_.form == Form::batched ? w_(over_d_, i_) : proj(i_, over_d_);
  t_block_(at(i_, n_)) += weight * tile.x(at(over_d_, n_));
  t_(at(i_, n_)) = t_block_(at(i_, n_));
}

FeatureMap::Gradient Projected::project_back(const Arguments& arguments) {
  if (options_.form != Form::tile) {
    return {dt_, {}};
  }
  over_i_ = RDom(0, own_projections_, "over_i");
  over_n_ = RDom(0, tile_.summed, "over_n");
  over_n_bias_ = RDom(0, tile_.summed, "over_n_bias");
  dx_(j_, n_) = 0.0f;
  dx_(j_, n_) += arguments.buffers.at("proj_rows")(j_, over_i_) * dt_(over_i_, n_);
  dproj_block_(j_, i_) = 0.0f;
  dproj_block_(j_, i_) += tile_.x(j_, over_n_) * dt_(i_, over_n_);
  dproj_(j_, i_) = Halide::undef<float>();
  dproj_(j_, i_) += dproj_block_(j_, i_);
  dbias_(i_) = Halide::undef<float>();
  dbias_(i_) += dt_(i_, over_n_bias_);
  const Expr padded_d = arguments.shapes.at("proj_rows").dim(0).extent();
  const Expr whole_d = padded_d / tiles::kRowColumns * tiles::kRowColumns;
  return {dx_, {{dproj_, {whole_d, own_projections_}}, {dbias_, {own_projections_}}}};
}

Func& Projected::per_tile(Func& f) const { return per_tile(f, projections_); }

Func& Projected::per_tile(Func& f, const Expr& projections) const {
  f.compute_root().store_in(MemoryType::Stack);
  for (const Var& v : f.args()) {
    if (v.same_as(i_)) {
      f.bound(i_, 0, projections);
    } else if (v.same_as(D_)) {
      f.bound(D_, 0, tile_.features);
    }
  }
  return f;
}

void Projected::schedule_features(const Halide::Target& target, Func out) {
  out.vectorize(D_, target.natural_vector_size<float>(), TailStrategy::RoundUp);
  schedule_projection(target);
}

void Projected::schedule_projection(const Halide::Target& target) {
  // Register block: two vectors of projections (one where L channels leave fewer), W read once for
  // its tokens.
  const int lanes = target.natural_vector_size<float>();
  const int vectors = channels() == 1 ? 2 : 1, width = vectors * lanes;
  const int tokens = std::min(tiles::register_sums(lanes) / vectors, tiles::kTokenBlock);
  const Var no("no"), ni("ni"), io("io"), ii("ii");
  per_tile(t_, own_projections_)
      .align_bounds(n_, tokens)
      .split(n_, no, ni, tokens, TailStrategy::RoundUp)
      .split(i_, io, ii, width, TailStrategy::RoundUp)
      .reorder(ii, ni, no, io)
      .vectorize(ii, lanes)
      .unroll(ni);
  t_block_.compute_at(t_, no).store_in(MemoryType::Register);
  t_block_.bound_extent(i_, width).bound_extent(n_, tokens);
  t_block_.vectorize(i_, lanes).unroll(i_).unroll(n_);
  t_block_.update().reorder(i_, n_, over_d_).vectorize(i_, lanes).unroll(i_).unroll(n_);
}

void Projected::schedule_gradient(const Halide::Target& target, const GradientLoops& at) {
  const int lanes = target.natural_vector_size<float>();
  const Var jo("jo"), jv("jv"), io("io"), ii("ii");
  const auto round_up = TailStrategy::RoundUp;
  if (reads_projection()) {
    schedule_projection(target);
  }
  dx_.compute_at(at.columns).store_in(MemoryType::Register);
  dx_.bound_extent(j_, at.width).bound_extent(n_, tiles::kGradTokens);
  dx_.vectorize(j_, lanes).unroll(j_).unroll(n_);
  dx_.update().reorder(j_, n_, over_i_).vectorize(j_, lanes).unroll(j_).unroll(n_);

  dproj_.split(i_, io, ii, 4, round_up).vectorize(j_, lanes, round_up);
  dproj_.update()
      .split(i_, io, ii, 4, round_up)
      .split(j_, jo, jv, tiles::kLanes, round_up)
      .reorder(jv, ii, jo, io)
      .vectorize(jv, lanes)
      .unroll(jv)
      .unroll(ii);
  dproj_block_.compute_at(dproj_, jo).store_in(MemoryType::Register);
  dproj_block_.bound_extent(i_, 4).bound_extent(j_, tiles::kLanes);
  dproj_block_.vectorize(j_, lanes).unroll(j_).unroll(i_);
  dproj_block_.update().reorder(j_, i_, over_n_).vectorize(j_, lanes).unroll(j_).unroll(i_);
  dbias_.vectorize(i_, lanes, round_up);
  dbias_.update().reorder(i_, over_n_bias_).vectorize(i_, lanes, round_up);
}

Projected::Along Projected::along(const Expr& extent, const std::string& name) const {
  if (options_.form != Form::tile) {
    const RDom over(0, extent, name);
    return {over, over, Halide::cast<bool>(true)};
  }
  const RDom over(0, tiles::kLanes, 0, round_up(extent, tiles::kLanes) / tiles::kLanes, name);
  const Expr k = over.y * tiles::kLanes + over.x;
  return {over, k, k < extent};
}

void Projected::reduce_by_lanes(Func& f, const Along& along) {
  f.compute_root().store_in(MemoryType::Stack);
  Halide::RVar lanes = along.over.x;
  for (int count = tiles::kLanes; count >= 4; count /= 2) {
    const Var lane("lane");
    const Halide::RVar halves("halves"), rest("rest");
    if (count < tiles::kLanes) {
      f.update().split(lanes, halves, rest, count);
      lanes = rest;
    }
    Func partial = f.update().rfactor(lanes, lane);
    partial.compute_at(f, f.args()[0]).store_in(MemoryType::Stack).bound_extent(lane, count);
    partial.vectorize(lane);
    if (count < tiles::kLanes) {
      partial.update().reorder(lane, halves).vectorize(lane).unroll(halves);
    } else {
      partial.update().reorder(lane, along.over.y).vectorize(lane);
    }
  }
  f.update().unroll(lanes);
}

void Projected::schedule_dt(const Halide::Target& target) {
  per_tile(dt_, own_projections_)
      .vectorize(i_, target.natural_vector_size<float>(), TailStrategy::RoundUp);
}

void Projected::share_sites(Func& f, const SharedTile& tile) const {
  f.compute_at(tile.at).store_in(MemoryType::GPUShared).reorder_storage(n_, i_);
  f.bound_extent(i_, tile.features / channels()).bound_extent(n_, warp::kTokens);
  f.split(i_, io_, ii_, block_).reorder(ii_, io_, n_).unroll(ii_).gpu_lanes(n_);
}

Func& Projected::own_site(Func& f, const Halide::LoopLevel& site) const {
  f.compute_at(site).store_in(MemoryType::Register);
  for (const Var& v : f.args()) {
    f.bound_extent(v, 1);
  }
  return f;
}

void Projected::schedule_shared(const SharedTile& tile) {
  block_ = std::min(8, tile.features / channels());
  phi_.compute_at(tile.at).store_in(MemoryType::GPUShared);
  phi_.bound_extent(D_, tile.features).bound_extent(n_, warp::kTokens);
  if (tile.feature_rows) {
    phi_.align_storage(D_, warp::pitch(tile.features));
  } else {
    phi_.reorder_storage(n_, D_).align_storage(n_, warp::pitch(warp::kTokens));
  }
  phi_.split(D_, Do_, Di_, block_ * channels()).reorder(Di_, Do_, n_).gpu_lanes(n_);
  Halide::LoopLevel block_at(phi_, Do_);
  if (tile.sites) {
    share_sites(t_, tile);
    block_at = Halide::LoopLevel(t_, io_);
  }
  share_projection(block_at);
}

void Projected::share_projection(const Halide::LoopLevel& block) {
  t_block_.compute_at(block).store_in(MemoryType::Register).unroll(i_);
  const Halide::RVar vectors("vectors"), one("one");
  t_block_.update()
      .split(over_d_, vectors, one, warp::kVector)
      .reorder(i_, one, vectors)
      .unroll(i_)
      .unroll(one);
  w_.compute_at(t_block_, vectors).store_in(MemoryType::Register).bound_extent(j_, warp::kVector);
  w_.vectorize(j_).unroll(i_);
}

}  // namespace luna
