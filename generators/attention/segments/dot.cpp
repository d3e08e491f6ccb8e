// dot: the gradient at the projection, dt_in = sum_e scale_n v_en table_1(e) + last_n normaliser_1,
// rows of the site's segment; 0 for a token that was selected out.
#include "generators/attention/segments/segments.h"

namespace luna {

class SegmentDot : public SegmentPass<SegmentDot> {
 public:
  Input<Rows> row{"row"};                       // (n, i)
  Input<Buffer2> v{"v"};                        // (dv, N), any row stride
  Input<Buffer1> scale{"scale"}, last{"last"};  // (N)
  Input<Buffer4> table{"table"};                // (e, c, row, i)
  Input<Buffer3> normaliser{"normaliser"};      // (c, row, i)
  Output<Buffer2> dt{"dt"};                     // (n, i)

  void generate() {
    const Expr width = bind_tokens(v);
    const int vector = lanes();
    const RDom over_block(0, (width + vector - 1) / vector, "over_block"), over_lane(0, vector);
    const Var lane("lane");
    const Expr site_row = row_of(row, n_, i_, table, 2);
    const Expr e = over_block * vector + lane;
    const Expr inside = size ? e : Halide::min(e, width - 1);
    Func by_lane("by_lane"), sum("sum");
    by_lane(lane, n_, i_) = 0.0f;
    by_lane(lane, n_, i_) +=
        Halide::select(e < width, v(inside, n_), 0.0f) * table(inside, 1, site_row, i_);
    sum(n_, i_) = 0.0f;
    sum(n_, i_) += by_lane(over_lane, n_, i_);
    const Expr kept = row(n_, i_) < table.dim(2).extent() - 1;
    dt(n_, i_) = Halide::select(
        kept, scale(n_) * sum(n_, i_) + last(n_) * normaliser(1, site_row, i_), 0.0f);

    bind_sites(row);
    bind_sites(dt);
    bind_scalars(scale);
    bind_scalars(last);
    bind_table(table);
    bind_column(normaliser);
    Func sites = dt;
    by_lane.compute_at(sites, n_).store_in(Halide::MemoryType::Register).vectorize(lane, vector);
    by_lane.update().reorder(lane, over_block).vectorize(lane, vector);
    if (size) {
      by_lane.update().unroll(over_block);
    }
    sum.compute_at(sites, n_).store_in(Halide::MemoryType::Register);
    sum.update().atomic().vectorize(over_lane);
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::SegmentDot, segment_dot)
