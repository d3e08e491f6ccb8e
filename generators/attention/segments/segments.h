// Passes over a piecewise-linear psi in segment form. On segment s of t_in = w_i x_n + b_i a
// feature is phi_il = c_ls + a_ls t_in, with t_in counted from the segment's base and a floor as a
// segment of slope 0. So no sum over tokens needs phi: with tables over projections i, segments s
// and powers p in {0, 1},
//   keys:    sums_p(e, s, i)  = sum of t_in^p v_en over the n with s_in = s,
//            S_il(e)          = sum_s c_ls sums_0(e, s, i) + a_ls sums_1(e, s, i),
//   queries: table_p(e, s, i) = sum_l (p ? a_ls : c_ls) S_il(e),
//            out_n(e)         = sum_i table_0(e, s_in, i) + t_in table_1(e, s_in, i),
// and a token costs 2 dv multiplications a projection instead of L dv. One call works on at most
// tiles::kStripTokens tokens of one (b, h); projections are the outer loop, so that the table of
// one projection stays in the L1 cache.
#pragma once

#include "Halide.h"
#include "generators/common/numeric.h"
#include "generators/common/tiles.h"

namespace luna {

template <typename Pass>
class SegmentPass : public Halide::Generator<Pass> {
 public:
  Halide::GeneratorParam<int> size{"size", 0};  ///< d or dv fixed at build time, 0: run-time

 protected:
  template <typename T>
  using Input = Halide::GeneratorInput<T>;
  template <typename T>
  using Output = Halide::GeneratorOutput<T>;
  using Buffer1 = Halide::Buffer<float, 1>;
  using Buffer2 = Halide::Buffer<float, 2>;
  using Buffer3 = Halide::Buffer<float, 3>;
  using Buffer4 = Halide::Buffer<float, 4>;
  using Rows = Halide::Buffer<int32_t, 2>;
  using Expr = Halide::Expr;
  using Func = Halide::Func;
  using Var = Halide::Var;
  using RDom = Halide::RDom;

  int lanes() const { return this->natural_vector_size(Halide::Float(32)); }

  /// A buffer whose dimensions all begin at 0.
  template <typename Buffer>
  static void bind(Buffer& buffer) {
    for (int k = 0; k < buffer.dimensions(); k++) {
      buffer.dim(k).set_min(0);
    }
  }

  /// A value of every site: (n, i), tokens innermost.
  template <typename Sites>
  static void bind_sites(Sites& sites) {
    bind(sites);
    sites.set_host_alignment(64);
    sites.dim(1).set_stride(tiles::kStripPitch);
  }

  /// Token rows (e, N) of any row stride; returns their width.
  template <typename Tokens>
  Expr bind_tokens(Tokens& tokens) const {
    bind(tokens);
    const int fixed = size;
    if (fixed) {
      tokens.dim(0).set_bounds(0, fixed);
      return fixed;
    }
    return tokens.dim(0).extent();
  }

  /// A per-token scalar of any stride, 0 for one value for all.
  template <typename Scalars>
  static void bind_scalars(Scalars& scalars) {
    scalars.dim(0).set_min(0).set_stride(Expr());
  }

  /// A table (e, c, row, i) of powers c and segments, rows of vectors that start on a vector
  /// boundary.
  template <typename Table>
  void bind_table(Table& table) const {
    bind(table);
    table.set_host_alignment(64);
    table.dim(1).set_bounds(0, 2);
    const int fixed = size;
    if (fixed) {
      table.dim(0).set_bounds(0, fixed);
      table.dim(1).set_stride(fixed);
      table.dim(2).set_stride(2 * fixed);
    } else {
      table.dim(1).set_stride(table.dim(1).stride() / tiles::kLanes * tiles::kLanes);
      table.dim(2).set_stride(2 * table.dim(1).stride());
    }
  }

  /// A table's column of the normaliser: (c, row, i).
  template <typename Column>
  static void bind_column(Column& column) {
    bind(column);
    column.dim(0).set_bounds(0, 2);
    column.dim(1).set_stride(2);
  }

  /// The row of a site, known to be one of the table's.
  template <typename Sites, typename Table>
  static Expr row_of(const Sites& rows, const Expr& n, const Expr& i, Table& table, int dimension) {
    return Halide::unsafe_promise_clamped(rows(n, i), 0, table.dim(dimension).extent() - 1);
  }

  const Var n_{"n"}, i_{"i"}, e_{"e"}, c_{"c"}, row_{"row"}, l_{"l"}, j_{"j"};
};

}  // namespace luna
