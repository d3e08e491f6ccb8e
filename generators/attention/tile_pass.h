// What the CPU passes share: one call works on at most tiles::kTokens tokens of one (b, h);
// the launcher (runtime/kernels/cpu) loops over tiles, heads and threads. Inputs of the map follow
// the pass's own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "generators/attention/map_pass.h"

namespace luna {

template <typename Pass>
class TilePass : public MapPass<Pass> {
 protected:
  using Base = MapPass<Pass>;
  template <typename T>
  using Input = typename Base::template Input<T>;
  template <typename T>
  using Output = typename Base::template Output<T>;
  using Base::align, Base::D_, Base::e_, Base::n_, Base::j_, Base::feature_map_, Base::features_;
  using Base::size;
  using Buffer1 = Halide::Buffer<float, 1>;
  using Buffer2 = Halide::Buffer<float, 2>;

  void add_map_outputs() {
    for (const Argument& argument : feature_map_->gradient_outputs()) {
      map_outputs_.emplace_back(
          argument.name, this->template add_output<Halide::Buffer<>>(argument.name, argument.type,
                                                                     argument.dimensions));
    }
  }

  void bind_map_outputs(const std::vector<GradientSum>& sums) {
    for (size_t k = 0; k < sums.size(); k++) {
      auto& output = *map_outputs_[k].second;
      output = sums[k].sum;
      output.set_host_alignment(64);
      Expr stride = 1;
      for (size_t axis = 0; axis < sums[k].extents.size(); axis++) {
        output.dim(axis).set_bounds(0, sums[k].extents[axis]).set_stride(stride);
        stride = stride * sums[k].extents[axis];
      }
    }
  }

  /// The map's features of the staged rows; sets features_, D after padding.
  Func features(const Arguments& args, const Func& rows, const Expr& d, Side side) {
    features_ = feature_map_->padded_features(args, d);
    return feature_map_->features(args, {rows, d, tokens_, features_}, side);
  }

  /// Dimension `axis` of a packed buffer is D after padding.
  template <typename Packed>
  void bind_features(Packed& buffer, int axis) const {
    buffer.dim(axis).set_bounds(0, features_);
  }

  /// rows(j, n) = scale(n) input(j, n), `beyond(n)` for j >= width; zero where the token is masked
  /// or past the end. Everything downstream may read whole vectors and whole groups of 8 tokens.
  template <typename Source>
  Func stage(const std::string& name, Source& input, const Expr& scale, const Expr& beyond) {
    input.dim(0).set_min(0).set_stride(1);
    input.dim(1).set_bounds(0, tokens_);
    const Expr width = static_width(input);
    const Expr row = Halide::min(n_, Halide::max(tokens_ - 1, 0));
    const RDom columns(0, width, name + "_columns"), rest(width, tiles::kLanes, name + "_rest");
    const auto guard = Halide::TailStrategy::GuardWithIf;
    Func rows(name);
    rows(j_, n_) = size ? Halide::undef<float>() : beyond;
    rows(columns, n_) = Halide::select(kept(n_), scale * input(columns, row), 0.0f);
    rows.compute_root().store_in(Halide::MemoryType::Stack);
    rows.bound_storage(n_, tiles::kTokens).align_storage(j_, tiles::kLanes);
    rows.update().allow_race_conditions().vectorize(columns, lanes(), guard);
    if (size) {
      rows.update().unroll(columns);
      if (beyond.as<Halide::Internal::FloatImm>() == nullptr) {
        rows(rest, n_) = beyond;
        rows.update(1).allow_race_conditions().vectorize(rest, lanes()).unroll(rest);
      }
    } else {
      rows.align_bounds(j_, tiles::kLanes).vectorize(j_, lanes(), Halide::TailStrategy::RoundUp);
    }
    return rows;
  }

  /// Head size of a token buffer: a constant when the pipeline is built for one.
  template <typename Source>
  Expr static_width(Source& input) {
    const int fixed = size;
    if (fixed) {
      input.dim(0).set_bounds(0, fixed);
      return fixed;
    }
    return input.dim(0).extent();
  }

  /// Token n exists and its weight is not zero.
  Expr kept(const Expr& n) const {
    const Expr row = Halide::min(n, Halide::max(tokens_ - 1, 0));
    return n < tokens_ && is_kept(weight_(row));
  }

  /// A per-token scalar (N) of any stride, 0 for one value for all.
  template <typename Scalars>
  void free_stride(Scalars& scalars) const {
    scalars.dim(0).set_bounds(0, tokens_).set_stride(Expr());
  }

  /// Weight of token n, 0 past the end.
  Expr weight_of(const Expr& n) const {
    const Expr row = Halide::min(n, Halide::max(tokens_ - 1, 0));
    return Halide::select(n < tokens_, weight_(row), 0.0f);
  }

  /// result(e, n) = finish(sum_D rows(e, D) phi(D, n)), stored for real tokens and columns.
  /// Register block: 8 tokens x 2 vectors of columns, rows read once for 8 tokens; D is summed in
  /// blocks of kSumBlock so that rounding errors do not pile up along it.
  template <typename Result, typename Rows, typename Finish>
  void store_product(Result& output, Rows& rows, const Func& phi, const Finish& finish) {
    using Halide::TailStrategy;
    const RDom over_block(0, features_ / tiles::kSumBlock, "over_block");
    const RDom over_D(0, tiles::kSumBlock, "over_D");
    const Var c("c"), no("no"), ni("ni"), eo("eo"), ei("ei");
    Func block("block"), product("product");
    const Expr D = c * tiles::kSumBlock + over_D;
    block(e_, n_, c) = 0.0f;
    block(e_, n_, c) += phi(D, n_) * rows(e_, D);
    product(e_, n_) = 0.0f;
    product(e_, n_) += block(e_, n_, over_block);
    output(e_, n_) = finish(product(e_, n_));
    static_width(output);
    output.dim(0).set_min(0).set_stride(1);
    output.dim(1).set_min(0);
    align(rows);
    bind_features(rows, 1);

    const int width = 2 * lanes();
    Func result = output;
    result.split(n_, no, ni, 8, TailStrategy::GuardWithIf)
        .split(e_, eo, ei, width, TailStrategy::GuardWithIf)
        .reorder(ei, ni, eo, no)
        .vectorize(ei, lanes(), TailStrategy::GuardWithIf)
        .unroll(ni);
    product.compute_at(result, eo).store_in(Halide::MemoryType::Stack);
    product.bound_extent(e_, width).bound_extent(n_, 8);
    product.vectorize(e_, lanes()).unroll(e_).unroll(n_);
    product.update().reorder(e_, n_, over_block).vectorize(e_, lanes()).unroll(e_).unroll(n_);
    block.compute_at(product, over_block).store_in(Halide::MemoryType::Register);
    block.bound_extent(e_, width).bound_extent(n_, 8).bound_extent(c, 1);
    block.vectorize(e_, lanes()).unroll(e_).unroll(n_);
    block.update().reorder(e_, n_, over_D).vectorize(e_, lanes()).unroll(e_).unroll(n_);
  }

  int lanes() const { return this->natural_vector_size(Halide::Float(32)); }
  int feature_block() const { return tiles::feature_block(feature_map_->elementwise()); }

  /// acc(D, e) += sum_n features(D, n) columns(e, n), added in place to `state`: register blocks of
  /// feature_block x column_block accumulators.
  void accumulate_state(Func state, const Func& features, const Func& columns) {
    const RDom over_n(0, tokens_, "over_tokens");
    Func tile("state_tile");
    tile(D_, e_) = 0.0f;
    tile(D_, e_) += features(D_, over_n) * columns(e_, over_n);
    state(D_, e_) = Halide::undef<float>();
    state(D_, e_) += tile(D_, e_);

    const auto round_up = Halide::TailStrategy::RoundUp;
    const int width = tiles::column_block(size);
    // 32 vector registers hold 2 x 11 or 4 x 5 accumulators, 16 hold half of that.
    const int block = std::min((width == 11 ? 2 : 4) * lanes() * lanes() / 16, feature_block());
    const Var Do("Do"), Di("Di"), Dv("Dv"), eo("eo"), ei("ei");
    state.vectorize(D_, lanes(), round_up);
    state.update()
        .split(D_, Do, Di, block, round_up)
        .split(Di, Di, Dv, lanes())
        .split(e_, eo, ei, width, round_up)
        .reorder(Dv, Di, ei, eo, Do)
        .vectorize(Dv)
        .unroll(Di)
        .unroll(ei);
    tile.compute_at(state, eo).store_in(Halide::MemoryType::Register);
    tile.bound_extent(D_, block).bound_extent(e_, width);
    tile.split(D_, Di, Dv, lanes()).vectorize(Dv).unroll(Di).unroll(e_);
    tile.update()
        .split(D_, Di, Dv, lanes())
        .reorder(Dv, Di, e_, over_n)
        .vectorize(Dv)
        .unroll(Di)
        .unroll(e_);
  }

  /// sum_{k < count} term(k, n), by lanes first and the lanes pairwise: few roundings, and the same
  /// ones in every call. term(k) must be zero for count <= k < round_up(count, kLanes) where it can
  /// be read.
  template <typename Term>
  Func lane_sum(const std::string& name, const Expr& count, const Term& term) {
    const RDom over_block(0, (count + tiles::kLanes - 1) / tiles::kLanes, name + "_block");
    const Var lane("lane");
    Func by_lane(name + "_by_lane"), sum(name);
    const Expr k = over_block * tiles::kLanes + lane;
    by_lane(lane, n_) = 0.0f;
    by_lane(lane, n_) += term(k);
    std::vector<Expr> partial;
    for (int l = 0; l < tiles::kLanes; l++) {
      partial.push_back(by_lane(l, n_));
    }
    while (partial.size() > 1) {
      for (size_t l = 0; l < partial.size() / 2; l++) {
        partial[l] = partial[l] + partial[l + partial.size() / 2];
      }
      partial.resize(partial.size() / 2);
    }
    sum(n_) = partial[0];
    for (Func* f : {&by_lane, &sum}) {
      f->compute_root().store_in(Halide::MemoryType::Stack).bound_storage(n_, tiles::kTokens);
    }
    by_lane.bound(lane, 0, tiles::kLanes).vectorize(lane, lanes());
    by_lane.update().reorder(lane, over_block, n_).vectorize(lane, lanes());
    return sum;
  }

  /// dphi(D, n) = sum_e state(D, e) columns(e, n) over the dv + 1 columns; register block 4 vectors
  /// x 4 tokens.
  template <typename State>
  Func state_gradient(State& state, const Func& columns, const Expr& dv) {
    const RDom over_e(0, dv + 1, "over_e");
    Func dphi("dphi"), tile("dphi_tile");
    tile(D_, n_) = 0.0f;
    tile(D_, n_) += state(D_, over_e) * columns(over_e, n_);
    dphi(D_, n_) = tile(D_, n_);
    align(state);
    bind_features(state, 0);

    const auto round_up = Halide::TailStrategy::RoundUp;
    const int block = std::min(4 * lanes(), feature_block());
    const Var Do("Do"), Di("Di"), no("no"), ni("ni");
    dphi.compute_root().store_in(Halide::MemoryType::Stack).bound_storage(n_, tiles::kTokens);
    dphi.bound(D_, 0, features_)
        .align_bounds(n_, 4)
        .split(D_, Do, Di, block, round_up)
        .split(n_, no, ni, 4, round_up)
        .reorder(Di, ni, no, Do)
        .vectorize(Di, lanes())
        .unroll(ni);
    tile.compute_at(dphi, no).store_in(Halide::MemoryType::Register);
    tile.bound_extent(D_, block).bound_extent(n_, 4);
    tile.vectorize(D_, lanes()).unroll(D_).unroll(n_);
    tile.update().reorder(D_, n_, over_e).vectorize(D_, lanes()).unroll(D_).unroll(n_);
    return dphi;
  }

  /// Stores dx(j, n) of the tile's real tokens and columns, 4 tokens at a time. The output has the
  /// tile's tokens, or none where this gradient is not wanted.
  template <typename Result>
  Halide::LoopLevel store_gradient(Result& output, const Func& dx) {
    output(j_, n_) = dx(j_, n_);
    static_width(output);
    output.dim(0).set_min(0).set_stride(1);
    output.dim(1).set_min(0);
    const Var no("no"), ni("ni");
    Func result = output;
    result.split(n_, no, ni, 4, Halide::TailStrategy::GuardWithIf)
        .reorder(j_, ni, no)
        .vectorize(j_, lanes(), Halide::TailStrategy::GuardWithIf)
        .unroll(ni);
    return Halide::LoopLevel(result, no);
  }

  Expr tokens_;
  Func weight_;

 private:
  std::vector<std::pair<std::string, Output<Halide::Buffer<>>*>> map_outputs_;
};

}  // namespace luna
