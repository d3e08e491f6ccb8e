// product: out_n = sum_i (table_0 + t_in table_1), rows of the site's segment, and den_n likewise
// of the normaliser. normalise, in place: den_n = w_n den_n, out_n = w_n out_n / max(den_n + add,
// clamp).
#include "generators/attention/segments/segments.h"

namespace luna {

class SegmentProduct : public SegmentPass<SegmentProduct> {
 public:
  Halide::GeneratorParam<int> together{"together", 2};  ///< the schedule: projections at a time
  Input<Buffer2> t{"t"};                                // (n, i)
  Input<Rows> row{"row"};                               // (n, i)
  Input<Buffer4> table{"table"};            // (e, c, row, i), an even number of projections
  Input<Buffer3> normaliser{"normaliser"};  // (c, row, i)
  Output<Buffer2> out{"out"};               // (dv, N)
  Output<Buffer1> den{"den"};               // (N)

  void generate() {
    const RDom over_i(0, table.dim(3).extent() / 2 * 2, "over_i");
    const Expr site = t(n_, over_i), at = row_of(row, n_, over_i, table, 2);
    out(e_, n_) = 0.0f;
    out(e_, n_) += site * table(e_, 1, at, over_i) + table(e_, 0, at, over_i);
    den(n_) = 0.0f;
    den(n_) += site * normaliser(1, at, over_i) + normaliser(0, at, over_i);

    bind_sites(t);
    bind_sites(row);
    bind_scalars(den);
    bind_table(table);
    bind_column(normaliser);
    bind_tokens(out);
    // Projections at a time: out and den are loaded and stored once for all of them.
    const Var eo("eo"), ei("ei");
    const Halide::RVar pair("pair"), ii("ii");
    Func rows = out, column = den;
    rows.vectorize(e_, lanes(), Halide::TailStrategy::GuardWithIf);
    rows.update()
        .split(e_, eo, ei, lanes(), Halide::TailStrategy::GuardWithIf)
        .split(over_i, pair, ii, together)
        .reorder(ei, eo, ii, n_, pair)
        .vectorize(ei)
        .unroll(ii);
    if (size) {
      rows.update().unroll(eo);
    }
    column.update().split(over_i, pair, ii, together).reorder(ii, n_, pair).unroll(ii);
    rows.update().compute_with(column.update(), n_);  // one loop over a projection's sites
  }
};

/// out = v - center, for every token.
class SegmentCenter : public SegmentPass<SegmentCenter> {
 public:
  Input<Buffer2> v{"v"};            // (dv, N), any row stride
  Input<Buffer1> center{"center"};  // (dv)
  Output<Buffer2> out{"out"};       // (dv, N)

  void generate() {
    out(e_, n_) = v(e_, n_) - center(e_);
    bind_tokens(v);
    bind_tokens(out);
    bind(center);
    Func rows = out;
    rows.vectorize(e_, lanes(), Halide::TailStrategy::GuardWithIf);
  }
};

class SegmentNormalise : public SegmentPass<SegmentNormalise> {
 public:
  Input<Buffer1> weight{"weight"};  // (N)
  Input<float> add{"add"}, clamp{"clamp"};
  Output<Buffer2> out{"out"};  // (dv, N), in place
  Output<Buffer1> den{"den"};  // (N), likewise

  void generate() {
    den(n_) = Halide::undef<float>();
    den(n_) = weight(n_) * den(n_);
    out(e_, n_) = Halide::undef<float>();
    out(e_, n_) = out(e_, n_) * (weight(n_) / floor_at(den(n_) + add, clamp));
    bind_scalars(weight);
    bind_scalars(den);
    bind_tokens(out);
    Func rows = out;
    rows.update().vectorize(e_, lanes(), Halide::TailStrategy::GuardWithIf);
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::SegmentProduct, segment_product)
HALIDE_REGISTER_GENERATOR(luna::SegmentCenter, segment_center)
HALIDE_REGISTER_GENERATOR(luna::SegmentNormalise, segment_normalise)
