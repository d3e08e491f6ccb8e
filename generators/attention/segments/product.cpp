// product: out_n = sum_i (table_0 + t_in table_1), rows of the site's segment, and den_n likewise
// of the normaliser. normalise, in place: den_n = w_n den_n, out_n = w_n out_n / max(den_n + add,
// clamp).
#include "generators/attention/segments/segments.h"

namespace luna {

class SegmentProduct : public SegmentPass<SegmentProduct> {
 public:
  /// The schedule: projections at a time, so that out and den are stored once for all of them.
  Halide::GeneratorParam<int> together{"together", 4};
  Input<Buffer2> t{"t"};                    // (n, i)
  Input<Rows> row{"row"};                   // (n, i)
  Input<Buffer4> table{"table"};            // (e, c, row, i), i padded to kTableProjections
  Input<Buffer3> normaliser{"normaliser"};  // (c, row, i)
  Output<Buffer2> out{"out"};               // (dv, N)
  Output<Buffer1> den{"den"};               // (N)

  void generate() {
    const int first = together;
    const RDom others(first, table.dim(3).extent() / first * first - first, "others");
    Expr out_of_first = 0.0f, den_of_first = 0.0f;
    for (int i = 0; i < first; i++) {
      out_of_first = out_term(i) + out_of_first;
      den_of_first = den_term(i) + den_of_first;
    }
    out(e_, n_) = out_of_first;
    out(e_, n_) += out_term(others);
    den(n_) = den_of_first;
    den(n_) += den_term(others);

    bind_sites(t);
    bind_sites(row);
    bind_scalars(den);
    bind_table(table);
    bind_column(normaliser);
    bind_tokens(out);
    const Var eo("eo"), ei("ei");
    const Halide::RVar group("group"), ii("ii");
    const auto guard = Halide::TailStrategy::GuardWithIf;
    Func rows = out, column = den;
    rows.split(e_, eo, ei, lanes(), guard).vectorize(ei);
    rows.update()
        .split(e_, eo, ei, lanes(), guard)
        .split(others, group, ii, first)
        .reorder(ei, eo, ii, n_, group)
        .vectorize(ei)
        .unroll(ii);
    column.update().split(others, group, ii, first).reorder(ii, n_, group).unroll(ii);
    if (size) {
      rows.unroll(eo);
      rows.update().unroll(eo);
    }
    // One loop over the sites of a group for both.
    rows.compute_with(column, n_);
    rows.update().compute_with(column.update(), n_);
  }

 private:
  Expr out_term(const Expr& i) {
    const Expr at = row_of(row, n_, i, table, 2);
    return t(n_, i) * table(e_, 1, at, i) + table(e_, 0, at, i);
  }
  Expr den_term(const Expr& i) {
    const Expr at = row_of(row, n_, i, table, 2);
    return t(n_, i) * normaliser(1, at, i) + normaliser(0, at, i);
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
