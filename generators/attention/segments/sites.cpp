// sites: the segment of t_in = w_i x_n + b_i, which is its row in the tables, and t_in - base of
// that segment, of every token and projection. A token of weight 0 goes to the row after the last
// segment, where nothing reads.
#include "generators/attention/segments/segments.h"
#include "generators/common/knot_search.h"

namespace luna {

class Sites : public SegmentPass<Sites> {
 public:
  Input<Buffer2> x{"x"};            // (d, N), any row stride
  Input<Buffer1> weight{"weight"};  // (N)
  Input<Buffer2> proj{"proj"};      // (i, j), projections padded to kLanes
  Input<Buffer1> bias{"bias"};      // (i)
  Input<Buffer2> search{"search"};  // (16, node)
  Input<Buffer1> base{"base"};      // (segment), and one more
  Input<int> segments{"segments"};

  Output<Func> site{"site", {Halide::Float(32), Halide::Int(32)}, 2};  // t, row (n, i)

  void generate() {
    const Expr tokens = x.dim(1).extent(), token = Halide::clamp(n_, 0, tokens - 1);
    over_d_ = RDom(0, bind_tokens(x), "over_d");
    const Expr kept = is_kept(weight(token));
    block_(i_, n_) = bias(i_);
    block_(i_, n_) += proj(i_, over_d_) * x(over_d_, token);
    t_(i_, n_) = Halide::select(kept, block_(i_, n_), 0.0f);
    dropped_(n_) = Halide::select(kept, 0, segments);
    KnotSearch knots(search, tiles::kSegmentLevels, {n_, i_}, t_(i_, n_));
    const Expr segment = Halide::unsafe_promise_clamped(
        Halide::max(Halide::min(knots.passed, segments - 1), dropped_(n_)), 0,
        base.dim(0).extent() - 1);
    site(n_, i_) = {t_(i_, n_) - base(segment), segment};
    bind_scalars(weight);
    base.dim(0).set_min(0);
    for (auto* packed : {&proj, &search}) {
      bind(*packed);
      packed->set_host_alignment(64);
    }
    search.dim(1).set_stride(tiles::kSearchWidth);
    bias.set_host_alignment(64).dim(0).set_min(0);
    auto outputs = Func(site).output_buffers();
    bind_sites(outputs[0]);
    outputs[1].set_host_alignment(64).dim(1).set_stride(tiles::kStripPitch);
    schedule(knots);
  }

 private:
  /// Some tokens x 16 projections at a time: the projection lane by lane of i, then one scalar
  /// search after the other.
  void schedule(KnotSearch& knots) {
    const Var no("no"), ni("ni"), io("io"), ii("ii");
    const int tokens = tiles::register_sums(lanes()) / 2;
    Func sites = site;
    sites.split(n_, no, ni, tokens, Halide::TailStrategy::GuardWithIf)
        .split(i_, io, ii, tiles::kLanes, Halide::TailStrategy::RoundUp)
        .reorder(ni, ii, io, no);
    t_.compute_at(sites, io).store_in(Halide::MemoryType::Stack);
    t_.bound_extent(i_, tiles::kLanes).bound_extent(n_, tokens);
    t_.vectorize(i_, lanes()).unroll(i_).unroll(n_);
    block_.compute_at(sites, io).store_in(Halide::MemoryType::Register);
    block_.bound_extent(i_, tiles::kLanes).bound_extent(n_, tokens);
    block_.vectorize(i_, lanes()).unroll(i_).unroll(n_);
    block_.update().reorder(i_, n_, over_d_).vectorize(i_, lanes()).unroll(i_).unroll(n_);
    dropped_.compute_at(sites, no).store_in(Halide::MemoryType::Stack).bound_extent(n_, tokens);
    knots.schedule(Halide::LoopLevel(sites, ni));
  }

  RDom over_d_;
  Func block_{"t_block"}, t_{"t"}, dropped_{"dropped"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::Sites, segment_sites)
