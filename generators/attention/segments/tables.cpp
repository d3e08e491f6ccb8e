// Between states [D, dv] and tables (e, c, row, i) of one (b, h), with the coefficients
// (c, row, l): intercepts c = 0 and slopes c = 1 of every segment and channel.
#include "generators/attention/segments/segments.h"

namespace luna {

template <typename Pass>
class TablePass : public SegmentPass<Pass> {
 protected:
  using Base = SegmentPass<Pass>;
  using Base::bind, Base::lanes;
  using typename Base::Expr, typename Base::Func, typename Base::Var, typename Base::RDom;

  /// Sums of the normaliser are in float64: a denominator may be a small difference of large ones.
  static Expr wide(const Expr& x) { return Halide::cast<double>(x); }
  template <typename Coefficients>
  static void bind_coefficients(Coefficients& coefficients) {
    bind(coefficients);
    coefficients.dim(0).set_bounds(0, 2);
    coefficients.dim(1).set_stride(2);
  }
  /// A state (e, l, i) or a table: e padded to a multiple of kLanes.
  template <typename Rows>
  static void bind_rows(Rows& rows) {
    bind(rows);
    rows.set_host_alignment(64);
    for (int k = 1; k < rows.dimensions(); k++) {
      rows.dim(k).set_stride(rows.dim(k).stride() / tiles::kLanes * tiles::kLanes);
    }
    rows.dim(0).set_extent(rows.dim(0).extent() / tiles::kLanes * tiles::kLanes);
  }
};

/// table(e, c, row, i) = sum_l coefficient(c, row, l) S(e, l, i), and likewise the normaliser.
class SegmentTable : public TablePass<SegmentTable> {
 public:
  Input<Buffer3> coefficients{"coefficients"};  // (c, row, l), rows padded to kTableSegments
  Input<Buffer3> S{"S"};                        // (e, l, i)
  Input<Buffer2> z{"z"};                        // (l, i)
  Output<Buffer4> table{"table"};               // (e, c, row, i)
  Output<Buffer3> normaliser{"normaliser"};     // (c, row, i)

  void generate() {
    const Expr L = coefficients.dim(2).extent();
    const RDom over_l(0, L, "over_l"), over_l_z(0, L, "over_l_z");
    Func block("block"), column("column");
    block(e_, c_, row_, i_) = 0.0f;
    block(e_, c_, row_, i_) += coefficients(c_, row_, over_l) * S(e_, over_l, i_);
    table(e_, c_, row_, i_) = block(e_, c_, row_, i_);
    column(c_, row_, i_) = wide(0.0f);
    column(c_, row_, i_) += wide(coefficients(c_, row_, over_l_z)) * wide(z(over_l_z, i_));
    normaliser(c_, row_, i_) = Halide::cast<float>(column(c_, row_, i_));
    bind_coefficients(coefficients);
    bind_rows(S);
    bind_rows(table);
    table.dim(1).set_bounds(0, 2);
    bind(z);
    bind_column(normaliser);

    const auto guard = Halide::TailStrategy::GuardWithIf;
    const Var ro("ro"), ri("ri"), eo("eo"), ei("ei");
    Func sums_of_z = normaliser;
    sums_of_z.split(row_, ro, ri, tiles::kTableSegments, guard)
        .reorder(c_, ri, ro, i_)
        .vectorize(c_)
        .vectorize(ri);
    column.compute_at(sums_of_z, ro).store_in(Halide::MemoryType::Register);
    column.bound_extent(c_, 2).bound_extent(row_, tiles::kTableSegments);
    column.vectorize(c_).vectorize(row_);
    column.update().reorder(c_, row_, over_l_z).vectorize(c_).vectorize(row_);

    Func result = table;
    const int together = tiles::register_sums(lanes()) / (2 * tiles::kLanes / lanes());
    result.split(row_, ro, ri, together, guard)
        .split(e_, eo, ei, tiles::kLanes)
        .reorder(ei, c_, ri, ro, eo, i_)
        .vectorize(ei, lanes())
        .unroll(ei)
        .unroll(c_)
        .unroll(ri);
    block.compute_at(result, ro).store_in(Halide::MemoryType::Register);
    block.bound_extent(e_, tiles::kLanes).bound_extent(row_, together).bound_extent(c_, 2);
    block.vectorize(e_, lanes()).unroll(e_).unroll(c_).unroll(row_);
    block.update()
        .reorder(e_, c_, row_, over_l)
        .vectorize(e_, lanes())
        .unroll(e_)
        .unroll(c_)
        .unroll(row_);
  }
};

/// S(e, l, i) = sum over segments of coefficient(c, row, l) sums(e, c, row, i), and likewise z.
class SegmentState : public TablePass<SegmentState> {
 public:
  Input<Buffer3> coefficients{"coefficients"};
  Input<Buffer4> sums{"sums"};  // (e, c, row, i), i padded to kTableProjections
  Input<Buffer3> normaliser{"normaliser"};
  Output<Buffer3> S{"S"};
  Output<Buffer2> z{"z"};

  void generate() {
    const Expr segments = coefficients.dim(1).extent();
    const RDom over(0, 2, 0, segments, "over"), over_z(0, 2, 0, segments, "over_z");
    Func block("block"), z_block("z_block");
    block(e_, l_, i_) = 0.0f;
    const Expr channel = Halide::min(l_, coefficients.dim(2).extent() - 1);
    block(e_, l_, i_) += coefficients(over.x, over.y, channel) * sums(e_, over.x, over.y, i_);
    S(e_, l_, i_) = block(e_, l_, i_);
    z_block(l_, i_) = wide(0.0f);
    z_block(l_, i_) +=
        wide(coefficients(over_z.x, over_z.y, l_)) * wide(normaliser(over_z.x, over_z.y, i_));
    z(l_, i_) = Halide::cast<float>(z_block(l_, i_));
    bind_coefficients(coefficients);
    bind_rows(sums);
    sums.dim(1).set_bounds(0, 2);
    bind_rows(S);
    bind_column(normaliser);
    bind(z);

    const int together = tiles::register_sums(lanes()) / tiles::kChannels;
    const Var lo("lo"), li("li"), eo("eo"), ei("ei"), io("io"), ii("ii");
    Func result = S;
    const auto guard = Halide::TailStrategy::GuardWithIf;
    result.split(l_, lo, li, tiles::kChannels, guard)
        .split(e_, eo, ei, lanes())
        .split(i_, io, ii, together, guard)
        .reorder(ei, li, ii, lo, eo, io)
        .vectorize(ei)
        .unroll(li)
        .unroll(ii);
    block.compute_at(result, lo).store_in(Halide::MemoryType::Register);
    block.bound_extent(e_, lanes()).bound_extent(l_, tiles::kChannels).bound_extent(i_, together);
    block.vectorize(e_).unroll(l_).unroll(i_);
    block.update()
        .reorder(e_, l_, i_, over.x, over.y)
        .vectorize(e_)
        .unroll(l_)
        .unroll(i_)
        .unroll(over.x);
    Func column = z;
    z_block.compute_at(column, l_).store_in(Halide::MemoryType::Register);
    z_block.update().atomic().vectorize(over_z.x).vectorize(over_z.y, lanes() / 2, guard);
  }
};

/// gradient(c, row, l) = sum over i of sums(., c, row, i) . S(., l, i) + normaliser z.
class SegmentTableGrad : public TablePass<SegmentTableGrad> {
 public:
  Input<Buffer3> S{"S"};
  Input<Buffer2> z{"z"};
  Input<Buffer4> sums{"sums"};
  Input<Buffer3> normaliser{"normaliser"};
  Output<Buffer3> gradient{"gradient"};  // (c, row, l)

  void generate() {
    const int vector = lanes(), channels = tiles::register_sums(vector) / 2;
    const Expr m = S.dim(2).extent(), blocks = S.dim(0).extent() / vector;
    const RDom over(0, blocks, 0, m, "over"), over_lane(0, vector, "over_lane");
    const RDom over_i(0, m, "over_i");
    const Var lane("lane");
    const Expr channel = Halide::min(l_, S.dim(1).extent() - 1);
    const Expr e = over.x * vector + lane;
    Func by_lane("by_lane"), column("column"), total("total");
    by_lane(lane, c_, row_, l_) = 0.0f;
    by_lane(lane, c_, row_, l_) += sums(e, c_, row_, over.y) * S(e, channel, over.y);
    column(c_, row_, l_) = 0.0f;
    column(c_, row_, l_) += normaliser(c_, row_, over_i) * z(channel, over_i);
    total(c_, row_, l_) = column(c_, row_, l_);
    total(c_, row_, l_) += by_lane(over_lane, c_, row_, l_);
    gradient(c_, row_, l_) = total(c_, row_, l_);
    bind_rows(S);
    bind_rows(sums);
    sums.dim(1).set_bounds(0, 2);
    bind(z);
    bind_column(normaliser);
    bind_coefficients(gradient);

    const Var lo("lo"), li("li");
    Func result = gradient;
    result.split(l_, lo, li, channels, Halide::TailStrategy::GuardWithIf)
        .reorder(c_, li, lo, row_)
        .unroll(c_)
        .unroll(li);
    by_lane.compute_at(result, lo).store_in(Halide::MemoryType::Register);
    by_lane.bound_extent(lane, vector).bound_extent(l_, channels).bound_extent(c_, 2);
    by_lane.vectorize(lane).unroll(c_).unroll(l_);
    by_lane.update().reorder(lane, c_, l_, over.x, over.y).vectorize(lane).unroll(c_).unroll(l_);
    total.compute_at(result, lo).store_in(Halide::MemoryType::Register);
    total.bound_extent(l_, channels).bound_extent(c_, 2).unroll(c_).unroll(l_);
    total.update().reorder(over_lane, c_, l_).atomic().vectorize(over_lane).unroll(c_).unroll(l_);
    column.compute_at(result, lo).store_in(Halide::MemoryType::Register);
    column.bound_extent(l_, channels).bound_extent(c_, 2).unroll(c_).unroll(l_);
    column.update().reorder(c_, l_, over_i).unroll(c_).unroll(l_);
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::SegmentTable, segment_table)
HALIDE_REGISTER_GENERATOR(luna::SegmentState, segment_state)
HALIDE_REGISTER_GENERATOR(luna::SegmentTableGrad, segment_table_grad)
