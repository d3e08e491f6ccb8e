// out(i, n) = factor(n) sum_k rows(i, k) c(k, n), or added to out: every matrix product of every
// pass. Rows are read as vectors, coefficients one by one, with k or n innermost, so that neither
// operand is ever copied or transposed:
//   state      S(D, e) += phi(D, n) columns(e, n)      apply     out(e, n) = S(e, D) phi(D, n)
//   gradients  dphi(D, n) = S(D, e) columns(e, n)
// k is summed in blocks of kSumBlock so that rounding errors do not pile up along it.
#include "generators/attention/tile/tile.h"

namespace luna {
namespace {

/// The launcher's (runtime/kernels/cpu/next_tile.h): asks for a little of the memory that the next
/// tile will want, before a block of so many multiplications; 0.0f.
HalideExtern_2(float, luna_ask_ahead, uint64_t, int);

}  // namespace

class TileProduct : public TilePipeline<TileProduct> {
 public:
  Halide::GeneratorParam<bool> adds{"adds", false};
  Halide::GeneratorParam<bool> transposed{"transposed", false};  ///< c has n innermost, not k
  // The schedule: vectors of i and values of n in registers (0: by their number), k at a time.
  Halide::GeneratorParam<int> vectors{"vectors", 0}, tokens{"tokens", 0}, unroll{"unroll", 1};
  Input<Buffer2> rows{"rows"};  // (i, k), i padded to kRowColumns
  Input<Buffer2> c{"c"};        // (k, n)
  Input<Buffer1> factor{"factor"};
  Input<uint64_t> ahead{"ahead"};  // for luna_ask_ahead
  Output<Buffer2> out{"out"};      // (i, n)

  void generate() {
    const Expr K = c.dim(0).extent();
    const Expr blocks = (K + tiles::kSumBlock - 1) / tiles::kSumBlock;
    const RDom over_block(0, blocks, "over_block");
    RDom over_k(0, tiles::kSumBlock, "over_k");
    const Expr k = kb_ * tiles::kSumBlock + over_k;
    over_k.where(k < K);
    const Expr at = Halide::unsafe_promise_clamped(k, 0, K - 1);
    zero_() = luna_ask_ahead(ahead, width() * at_once() * K);
    part_(i_, n_, kb_) = zero_();
    part_(i_, n_, kb_) += rows(i_, at) * c(at, n_);
    sum_(i_, n_) = 0.0f;
    sum_(i_, n_) += part_(i_, n_, over_block);
    if (adds) {
      result_(i_, n_) = Halide::undef<float>();
      result_(i_, n_) += factor(n_) * sum_(i_, n_);
    } else {
      result_(i_, n_) = factor(n_) * sum_(i_, n_);
    }
    out = result_;
    bind_tile(rows);
    bind_tile(out);
    rows.dim(0).set_bounds(0, out.dim(0).extent());
    bind_scalars(factor);
    c.dim(0).set_min(0).set_stride(transposed ? Expr() : Expr(1));
    c.dim(1).set_bounds(0, out.dim(1).extent()).set_stride(transposed ? Expr(1) : Expr());
    over_block_ = over_block;
    over_k_ = over_k;
  }

  void schedule() {
    const int width = this->width(), at_once = this->at_once();
    _halide_user_assert(tiles::kRowColumns % width == 0 && tiles::kTokenBlock % at_once == 0)
        << "tile_product: rows are padded to " << tiles::kRowColumns << ", n to "
        << tiles::kTokenBlock << ": no blocks of " << width << " x " << at_once << "\n";
    const Var io("io"), ii("ii"), no("no"), ni("ni");
    const auto tiled = [&](auto stage) {
      stage.split(i_, io, ii, width, kRoundUp)
          .split(n_, no, ni, at_once, kRoundUp)
          .reorder(ii, ni, no, io)
          .vectorize(ii, lanes())
          .unroll(ii)
          .unroll(ni);
    };
    if (adds) {
      tiled(result_.update());
      result_.vectorize(i_, lanes(), kRoundUp);
    } else {
      tiled(Halide::Stage(result_));
    }
    sum_.compute_at(result_, no).store_in(Halide::MemoryType::Stack);
    sum_.bound_extent(i_, width).bound_extent(n_, at_once);
    sum_.vectorize(i_, lanes()).unroll(i_).unroll(n_);
    sum_.update().reorder(i_, n_, over_block_).vectorize(i_, lanes()).unroll(i_).unroll(n_);
    zero_.compute_at(result_, no);
    part_.compute_at(sum_, over_block_).store_in(Halide::MemoryType::Register);
    part_.bound_extent(i_, width).bound_extent(n_, at_once).bound_extent(kb_, 1);
    part_.vectorize(i_, lanes()).unroll(i_).unroll(n_);
    part_.update().reorder(i_, n_, over_k_).vectorize(i_, lanes()).unroll(i_).unroll(n_);
    if (int(unroll) > 1) part_.update().unroll(over_k_, unroll);
  }

 private:
  int width() const { return (int(vectors) ? int(vectors) : 2) * lanes(); }
  int at_once() const { return int(tokens) ? int(tokens) : tiles::register_sums(lanes()) / 2; }

  Var i_{"i"}, kb_{"kb"};
  Func zero_{"zero"}, part_{"part"}, sum_{"sum"}, result_{"result"};
  RDom over_block_, over_k_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::TileProduct, tile_product)
