// sums: sums(e, c, s, i) += sum of t^c scale v and normaliser(c, s, i) += sum of t^c last, over the
// tokens of segment s.
#include "generators/attention/segments/segments.h"

namespace luna {

class SegmentSums : public SegmentPass<SegmentSums> {
 public:
  Input<Buffer2> t{"t"};                        // (n, i)
  Input<Rows> row{"row"};                       // (n, i)
  Input<Buffer2> v{"v"};                        // (dv, N), any row stride
  Input<Buffer1> scale{"scale"}, last{"last"};  // (N)
  Output<Buffer4> sums{"sums"};                 // (e, c, row, i), accumulated in place
  Output<Buffer3> normaliser{"normaliser"};     // (c, row, i), likewise

  void generate() {
    const RDom over_n(0, v.dim(1).extent(), "over_n");
    const Expr site_row = row_of(row, over_n, i_, sums, 2);
    const auto term = [&](const Expr& scalar) {
      return Halide::select(c_ == 0, scalar, scalar * t(over_n, i_));
    };
    sums(e_, c_, row_, i_) = Halide::undef<float>();
    sums(e_, c_, site_row, i_) += term(scale(over_n)) * v(e_, over_n);
    normaliser(c_, row_, i_) = Halide::undef<float>();
    normaliser(c_, site_row, i_) += term(last(over_n));

    bind_sites(t);
    bind_sites(row);
    bind_tokens(v);
    bind_scalars(scale);
    bind_scalars(last);
    bind_table(sums);
    bind_column(normaliser);
    Func rows = sums, column = normaliser;
    const Var eo("eo"), ei("ei");
    rows.update()
        .split(e_, eo, ei, lanes(), Halide::TailStrategy::GuardWithIf)
        .reorder(ei, eo, c_, over_n, i_)
        .vectorize(ei)
        .unroll(c_);
    if (size) {
      rows.update().unroll(eo);
    }
    column.update().reorder(c_, over_n, i_).vectorize(c_, 2);
    rows.update().compute_with(column.update(), over_n);  // one loop over a projection's sites
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::SegmentSums, segment_sums)
