// Sums and scalings along a tile.
#include "generators/attention/tile/tile.h"

namespace luna {

/// sum(n) = sum_k a(k, n) b(k, n), k padded to kLanes: by lanes first, the lanes pairwise, so that
/// there are few roundings and the same ones in every call. b may have one row for all n.
class TileDot : public TilePipeline<TileDot> {
 public:
  Input<Buffer2> a{"a"}, b{"b"};
  Output<Buffer1> sum{"sum"};

  void generate() {
    const RDom over_block(0, a.dim(0).extent() / tiles::kLanes, "over_block");
    const Var lane("lane");
    Func by_lane("by_lane");
    const Expr k = over_block * tiles::kLanes + lane;
    by_lane(lane, n_) = 0.0f;
    by_lane(lane, n_) += a(k, n_) * b(k, n_);
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
    bind_rows(a);
    bind_tile(b);
    b.dim(0).set_bounds(0, a.dim(0).extent());
    b.dim(1).set_stride(Expr());
    bind_scalars(sum);
    by_lane.compute_at(Func(sum), n_).store_in(Halide::MemoryType::Stack);
    by_lane.bound(lane, 0, tiles::kLanes).vectorize(lane, lanes()).unroll(lane);
    by_lane.update().reorder(lane, over_block, n_).vectorize(lane, lanes()).unroll(lane);
  }
};

/// out(D, n) = c(D) phi(D, n).
class TileWeigh : public TilePipeline<TileWeigh> {
 public:
  Input<Buffer2> phi{"phi"};
  Input<Buffer1> c{"c"};
  Output<Buffer2> out{"out"};

  void generate() {
    out(j_, n_) = c(j_) * phi(j_, n_);
    bind_tile(phi);
    bind_tile(out);
    Func(out).vectorize(j_, lanes(), kRoundUp);
  }
};

/// sum(D) += sum_n phi(D, n)^2, in place.
class TileSquares : public TilePipeline<TileSquares> {
 public:
  Input<Buffer2> phi{"phi"};
  Output<Buffer1> sum{"sum"};

  void generate() {
    const RDom over_n(0, phi.dim(1).extent(), "over_n");
    Func total("total");
    total(j_) = Halide::undef<float>();
    total(j_) += phi(j_, over_n) * phi(j_, over_n);
    sum = total;
    bind_tile(phi);
    total.update().reorder(j_, over_n).vectorize(j_, lanes(), kRoundUp);
  }
};

/// column(D) += sum_n c(n) rows(D, n), in place: 4 sums at a time, so that none waits for the one
/// before it.
class TileColumn : public TilePipeline<TileColumn> {
 public:
  Input<Buffer2> rows{"rows"};
  Input<Buffer1> c{"c"};
  Output<Buffer1> column{"column"};

  void generate() {
    constexpr int kSums = 4;
    static_assert(tiles::kTokenBlock % kSums == 0, "tokens come in whole blocks");
    const RDom over_n(0, rows.dim(1).extent() / kSums, "over_n");
    const Var k("k"), jo("jo"), ji("ji");
    Func partial("partial"), result("result");
    const Expr n = over_n * kSums + k;
    partial(j_, k) = 0.0f;
    partial(j_, k) += c(n) * rows(j_, n);
    result(j_) = Halide::undef<float>();
    result(j_) += (partial(j_, 0) + partial(j_, 1)) + (partial(j_, 2) + partial(j_, 3));
    column = result;
    bind_rows(rows);
    bind_scalars(c);
    const int width = 2 * lanes();
    result.update().split(j_, jo, ji, width, kRoundUp).vectorize(ji, lanes());
    partial.compute_at(result, jo).store_in(Halide::MemoryType::Register);
    partial.bound_extent(j_, width).bound_extent(k, kSums);
    partial.vectorize(j_, lanes()).unroll(j_).unroll(k);
    partial.update().reorder(j_, k, over_n).vectorize(j_, lanes()).unroll(j_).unroll(k);
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::TileColumn, tile_column)
HALIDE_REGISTER_GENERATOR(luna::TileDot, tile_dot)
HALIDE_REGISTER_GENERATOR(luna::TileSquares, tile_squares)
HALIDE_REGISTER_GENERATOR(luna::TileWeigh, tile_weigh)
