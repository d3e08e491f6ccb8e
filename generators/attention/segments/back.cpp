// back: the gradient dt at the projection carried back, dx = W^T dt, and in place dW += dt x^T,
// db += sum of dt. Tokens of weight 0 have dt = 0; what they hold in x is not read.
#include <algorithm>

#include "generators/attention/segments/segments.h"

namespace luna {

class SegmentBack : public SegmentPass<SegmentBack> {
 public:
  Input<Buffer2> dt{"dt"};                // (i, n), projections padded to kLanes with zeros
  Input<Buffer2> x{"x"};                  // (d, N), any row stride
  Input<Buffer1> weight{"weight"};        // (N)
  Input<Buffer2> proj_rows{"proj_rows"};  // (j, i), projections padded to kLanes
  Output<Buffer2> dx{"dx"};               // (d, N), or no tokens where it is not wanted
  Output<Buffer2> dproj{"dproj"};         // (j, i), accumulated in place
  Output<Buffer1> dbias{"dbias"};         // (i), likewise

  void generate() {
    const Expr tokens = x.dim(1).extent(), m = proj_rows.dim(1).extent() / 4 * 4;
    const RDom over_i(0, m, "over_i"), over_n(0, tokens, "over_n"),
        over_n_bias(0, tokens, "n_bias");
    Func dx_block("dx_block"), dproj_block("dproj_block"), dbias_block("dbias_block");
    const Expr j = size ? Expr(j_) : Halide::min(j_, bind_tokens(x) - 1);
    dx_block(j_, n_) = 0.0f;
    dx_block(j_, n_) += proj_rows(j, over_i) * dt(over_i, Halide::min(n_, tokens - 1));
    dx(j_, n_) = dx_block(j_, n_);
    dproj_block(j_, i_) = 0.0f;
    dproj_block(j_, i_) +=
        Halide::select(is_kept(weight(over_n)), x(j, over_n), 0.0f) * dt(i_, over_n);
    dproj(j_, i_) = Halide::undef<float>();
    dproj(j_, i_) += dproj_block(j_, i_);
    dbias(i_) = Halide::undef<float>();
    dbias_block(i_) = 0.0f;
    dbias_block(i_) += dt(i_, over_n_bias);
    dbias(i_) += dbias_block(i_);

    bind(dt);
    dt.set_host_alignment(64);
    dt.dim(1).set_stride(dt.dim(1).stride() / tiles::kLanes * tiles::kLanes);
    bind_tokens(dx);
    bind_tokens(dproj);
    bind_scalars(weight);
    bind(proj_rows);
    bind_tokens(proj_rows);
    bind(dbias);
    const auto guard = Halide::TailStrategy::GuardWithIf;
    const Var no("no"), ni("ni"), io("io"), ii("ii"), jo("jo"), jv("jv");
    const int sums = tiles::register_sums(lanes()), tokens_at_once = sums / 2;
    const int rows_at_once = size ? std::max(4, sums * lanes() / size) : 4;
    const auto columns = [&](int rows) {
      return size ? std::min<int>(size, sums / rows * lanes()) : lanes();
    };
    const int width = columns(tokens_at_once), gradient_width = columns(rows_at_once);
    Func result = dx, gradient = dproj, bias = dbias;
    result.split(n_, no, ni, tokens_at_once, guard)
        .split(j_, jo, j_, width, guard)
        .reorder(j_, ni, jo, no);
    result.vectorize(j_, lanes(), guard).unroll(ni);
    if (size) {
      result.unroll(j_);
    }
    dx_block.compute_at(result, jo).store_in(Halide::MemoryType::Register);
    dx_block.bound_extent(j_, width).bound_extent(n_, tokens_at_once);
    dx_block.vectorize(j_, lanes()).unroll(j_).unroll(n_);
    dx_block.update().reorder(j_, n_, over_i).vectorize(j_, lanes()).unroll(j_).unroll(n_);

    gradient.update()
        .split(i_, io, ii, rows_at_once, guard)
        .split(j_, jo, jv, gradient_width, guard)
        .reorder(jv, ii, jo, io)
        .vectorize(jv, lanes(), guard)
        .unroll(ii);
    if (size) {
      gradient.update().unroll(jv);
    }
    dproj_block.compute_at(gradient, jo).store_in(Halide::MemoryType::Register);
    dproj_block.bound_extent(j_, gradient_width).bound_extent(i_, rows_at_once);
    dproj_block.vectorize(j_, lanes()).unroll(j_).unroll(i_);
    dproj_block.update().reorder(j_, i_, over_n).vectorize(j_, lanes()).unroll(j_).unroll(i_);
    bias.update().split(i_, io, ii, lanes(), guard);
    dbias_block.compute_at(bias, io).store_in(Halide::MemoryType::Stack);
    dbias_block.bound_extent(i_, lanes()).vectorize(i_, lanes());
    dbias_block.update().reorder(i_, over_n_bias).vectorize(i_, lanes());
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::SegmentBack, segment_back)
