// out(i, n, z) = sum_k rows(i, k, z') c(k, n, z): on CUDA, every matrix product of the passes whose
// features lie in memory. n is a token or a feature, z a (b, chunk, head), z' whose rows it reads.
//   state      S(e, D) = sum_n columns(e, n) phi(D, n)     both operands with k outermost
//   apply      out(e, n) = sum_D S(e, D) phi(D, n)         c with k innermost
//   gradient   dphi(D, n) = sum_e S(e, D) columns(e, n)    both operands with k innermost
// Causal, within a chunk of kCausalChunk tokens a side sees of the other `seen` of them; that a
// term beyond is left out, and not multiplied by 0, keeps a NaN where it belongs:
//   scores     a(s, n) = sum_D phi(D, s) phi(D, n), 0 where s is not seen
//   seen sums  out(e, n) += sum_s columns(e, s) a(s, n) over what is seen
// k is summed in blocks so that rounding errors do not pile up along it.
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Expr;
using Halide::Func;
using Halide::Var;

class RowsProduct : public Halide::Generator<RowsProduct> {
 public:
  GeneratorParam<bool> rows_by_k{"rows_by_k", false};  ///< rows: k innermost in memory, else i
  GeneratorParam<bool> c_by_k{"c_by_k", true};         ///< c: k innermost in memory, else n
  GeneratorParam<bool> seen{"seen", false};            ///< only over what is seen, added to out
  // The schedule: i and n of a block, and k multiplied between two loop branches.
  GeneratorParam<int> wide{"wide", 32}, tall{"tall", 64}, unroll{"unroll", 1};
  Input<Halide::Buffer<float, 3>> rows{"rows"}, c{"c"};
  Input<int> outer{"outer"}, heads{"heads"}, group{"group"};  ///< z' (row_index)
  /// What is seen: 1: s <= n, -1: s >= n, 0: everything.
  Input<int> direction{"direction"};
  Output<Halide::Buffer<float, 3>> out{"out"};  // (i, n, z)

  void generate() {
    const Expr K = c.dim(c_by_k ? 0 : 1).extent();
    over_block_ = Halide::RDom(0, (K + kDepth - 1) / kDepth, "over_block");
    over_k_ = Halide::RDom(0, kDepth, "over_k");
    // K is a multiple of kDepth where k is innermost of an operand, else both end at it.
    const auto end = [&](const Expr& value, const Expr& k) {
      return rows_by_k || c_by_k ? value : Halide::select(k < K, value, 0.0f);
    };
    const Expr within = Halide::min(k_, K - 1);
    rows_of_(i_, k_, z_) = rows_by_k
                               ? rows(k_, Halide::min(i_, rows.dim(1).extent() - 1), row_index())
                               : end(rows(whole(i_, rows), within, row_index()), k_);
    c_of_(k_, n_, z_) = c_by_k ? c(k_, Halide::min(n_, c.dim(1).extent() - 1), z_)
                               : end(c(whole(n_, c), within, z_), k_);

    // Lane 4 f + c holds n = 8 f .. and i = 4 c .. of every 16.
    const Expr k = kb_ * kDepth + over_k_;
    const Expr i = ib_ * int(wide) + u_ * 16 + lane_ % 4 * 4 + l_;
    const Expr n = nb_ * int(tall) + lane_ / 4 * own() + t_;
    const Expr term = rows_of_(i, k, z_) * c_of_(k, n, z_);
    part_(l_, u_, t_, lane_, ib_, nb_, z_, kb_) = 0.0f;
    part_(l_, u_, t_, lane_, ib_, nb_, z_, kb_) +=
        seen ? Halide::select(is_seen(k, n), term, 0.0f) : term;
    sum_(l_, u_, t_, lane_, ib_, nb_, z_) = 0.0f;
    sum_(l_, u_, t_, lane_, ib_, nb_, z_) += part_(l_, u_, t_, lane_, ib_, nb_, z_, over_block_);
    sum_.bound(l_, 0, 4).bound(u_, 0, int(wide) / 16).bound(t_, 0, own());
    sum_.bound(lane_, 0, warp::kLanes);
    const Expr lane = n_ / own() % 8 * 4 + i_ / 4 % 4;
    const Expr total =
        sum_(i_ % 4, i_ % int(wide) / 16, n_ % own(), lane, i_ / int(wide), n_ / int(tall), z_);
    if (seen) {
      out(i_, n_, z_) = Halide::undef<float>();
      out(i_, n_, z_) += total;
    } else if (rows_by_k) {
      out(i_, n_, z_) = Halide::select(is_seen(i_, n_), total, 0.0f);
    } else {
      out(i_, n_, z_) = total;
    }
    bind(rows);
    bind(c);
    bind(out);
    out.dim(0).set_bounds(0, out.dim(0).extent() / 4 * 4);
  }

  void schedule() {
    Func result = out;
    if (seen) {
      result.gpu_blocks(n_, z_);  // no code: what is there stays
      tiled(result.update());
    } else {
      tiled(result);
    }
    const auto by_lanes = [&](Halide::Stage stage, const std::vector<Halide::VarOrRVar>& order) {
      stage.reorder(order).unroll(l_).unroll(u_).unroll(t_).gpu_lanes(lane_);
    };
    const Halide::LoopLevel at(sum_, over_block_);
    sum_.compute_at(result, block_).store_in(Halide::MemoryType::Register);
    part_.compute_at(at).store_in(Halide::MemoryType::Register);
    for (Func f : {sum_, part_}) {
      f.bound_extent(ib_, 1).bound_extent(nb_, 1).bound_extent(z_, 1);
      by_lanes(f, {l_, u_, t_, lane_});
    }
    by_lanes(sum_.update(), {l_, u_, t_, lane_, over_block_});
    by_lanes(part_.update(), {l_, u_, t_, over_k_, lane_});
    if (int(unroll) > 1) part_.update().unroll(over_k_, unroll);
    part_.bound_extent(kb_, 1).bound(l_, 0, 4).bound(u_, 0, int(wide) / 16).bound(t_, 0, own());
    part_.bound(lane_, 0, warp::kLanes);
    stage(rows_of_, i_, wide, rows_by_k, at);
    stage(c_of_, n_, tall, c_by_k, at);
  }

 private:
  static constexpr int kDepth = 16;          ///< k at a time, which are summed by themselves
  int own() const { return int(tall) / 8; }  ///< n of a lane

  /// Whose rows z reads: those of its (b, chunk), or of its b, or of none in particular; of its
  /// group of heads.
  Expr row_index() const {
    return (z_ / outer * (heads / group) + z_ % heads / group) % rows.dim(2).extent();
  }

  Expr is_seen(const Expr& s, const Expr& n) const {
    return (s % tiles::kCausalChunk - n) * direction <= 0;
  }

  /// a, or in whole vectors the last that there is.
  template <typename Operand>
  static Expr whole(const Expr& a, const Operand& operand) {
    const Expr last = operand.dim(0).extent() / warp::kVector - 1;
    return Halide::min(a / warp::kVector, last) * warp::kVector + a % warp::kVector;
  }

  /// A dense operand: rows of whole vectors.
  template <typename Operand>
  static void bind(Operand& operand) {
    operand.set_host_alignment(warp::kVector * sizeof(float));
    operand.dim(0).set_min(0).set_stride(1);
    for (int axis = 1; axis < 3; axis++) {
      const Expr stride = operand.dim(axis).stride();
      operand.dim(axis).set_min(0).set_stride(stride / warp::kVector * warp::kVector);
    }
  }

  void tiled(Halide::Stage stage) {
    const auto guard = Halide::TailStrategy::GuardWithIf;
    const Var i4("i4"), r("r"), c4("c4"), nr("nr"), f("f"), in("in");
    stage.split(i_, i4, l_, 4, Halide::TailStrategy::RoundUp)
        .split(i4, ib_, r, int(wide) / 4, guard)
        .split(r, u_, c4, 4)
        .split(n_, nb_, nr, tall, guard)
        .split(nr, f, t_, own())
        .fuse(c4, f, lane_)
        .split(nb_, nb_, ty_, 1)
        .fuse(ib_, nb_, in)
        .fuse(in, z_, block_)
        .reorder(l_, u_, t_, lane_, ty_, block_)
        .vectorize(l_)
        .unroll(u_)
        .unroll(t_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_);
  }

  /// `width` values of kDepth k in shared memory, k outermost.
  void stage(Func f, const Var& a, int width, bool by_k, const Halide::LoopLevel& at) {
    if (!by_k) {
      f.reorder_storage(a, k_);
      warp::stage_rows(f, a, k_, at, width, kDepth);
      return;
    }
    const Var part("part"), own("own");
    f.compute_at(at).store_in(Halide::MemoryType::GPUShared).reorder_storage(a, k_);
    f.bound_extent(k_, kDepth).bound_extent(a, width).align_storage(a, warp::pitch(width));
    f.split(a, part, own, warp::kLanes)
        .reorder(k_, part, own)
        .vectorize(k_, warp::kVector)
        .unroll(k_)
        .unroll(part)
        .gpu_lanes(own);
  }

  Var i_{"i"}, n_{"n"}, z_{"z"}, k_{"k"}, l_{"l"}, u_{"u"}, t_{"t"}, lane_{"lane"}, ty_{"ty"};
  Var ib_{"ib"}, nb_{"nb"}, kb_{"kb"}, block_{"block"};
  Func rows_of_{"rows_of"}, c_of_{"c_of"}, sum_{"sum"};
  Func part_{"part"};
  Halide::RDom over_block_, over_k_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::RowsProduct, rows_product)
