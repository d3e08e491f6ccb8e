// CUDA, decoding: every head's state takes one token in and is read by the head's queries in the
// same pass, so that each of its numbers is loaded once and stored once:
//   S(e, f) += phi_k(f) v(e)
//   part_g(e, p) = sum over the rows f of p of phi_q(f, g) S(e, f)
// and after it
//   z(f) += phi_k(f)
//   out(e, g) = sum_p part_g(e, p) / rule(sum_f phi_q(f, g) z(f))
// A thread holds some rows of one column in registers; neighbouring threads have neighbouring
// columns. Rows and columns may lie anywhere: no load is wider than a number. Old and new state are
// the same memory, of which a thread reads nothing that another writes.
#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Expr;
using Halide::Func;
using Halide::RDom;
using Halide::Var;

/// Dense along dimension 0, from 0 on everywhere.
template <typename Operand>
void bind_decode(Operand& operand) {
  for (int axis = 0; axis < operand.dimensions(); axis++) operand.dim(axis).set_min(0);
  operand.dim(0).set_stride(1);
}

class RowsDecodeState : public Halide::Generator<RowsDecodeState> {
 public:
  GeneratorParam<bool> tail{"tail", false};        ///< one row a thread, else kDecodeRows
  GeneratorParam<bool> grouped{"grouped", false};  ///< kDecodeQueries of a key head, else one
  GeneratorParam<int> warps{"warps", 4};  ///< the schedule: of a block, each with rows of its own
  Input<Halide::Buffer<float, 3>> phi_k{"phi_k"};  // (f, h, b)
  Input<Halide::Buffer<float, 4>> phi_q{"phi_q"};  // (f, g, h, b); the last stands in for missing g
  Input<Halide::Buffer<float, 3>> v{"v"};          // (e, h, b)
  Input<Halide::Buffer<float, 5>> old_state{"old_state"};  // (e, row, p, h, b), f = p rows + row

  /// After the state, which may lie where the old one does, part of every query: a pipeline's
  /// outputs of one loop have the same dimensions, so those of part are the state's. A row's stride
  /// is 0 there: the rows of p write the same number to the same place.
  void configure() {
    const std::vector<Halide::Type> types(1 + queries(), Halide::Float(32));
    result_ = add_output<Func>("state", types, 5);
  }

  void generate() {
    const RDom over_row(0, rows(), "over_row");
    const auto f = [&](const Expr& row) { return p_ * rows() + row; };
    state_(e_, row_, p_, h_, b_) =
        old_state(e_, row_, p_, h_, b_) + phi_k(f(row_), h_, b_) * v(e_, h_, b_);
    std::vector<Expr> values{state_(e_, row_, p_, h_, b_)};
    for (int k = 0; k < queries(); k++) {
      Func part("part");
      const Expr g = Halide::min(k, phi_q.dim(1).extent() - 1);
      part(e_, p_, h_, b_) = 0.0f;
      part(e_, p_, h_, b_) += phi_q(f(over_row), g, h_, b_) * state_(e_, over_row, p_, h_, b_);
      part.update().unroll(over_row);
      values.push_back(part(e_, p_, h_, b_));
      parts_.push_back(part);
    }
    Func out = *result_;
    out(e_, row_, p_, h_, b_) = Halide::Tuple(values);
    bind_decode(phi_k);
    bind_decode(phi_q);
    bind_decode(v);
    bind_decode(old_state);
    std::vector<Halide::OutputImageParam> buffers = out.output_buffers();
    bind_decode(buffers[0]);
    buffers[0].dim(1).set_extent(rows());
    for (size_t k = 1; rows() > 1 && k < buffers.size(); k++) buffers[k].dim(1).set_stride(0);
  }

  void schedule() {
    const auto guard = Halide::TailStrategy::GuardWithIf;
    const Var eb("eb"), lane("lane"), pb("pb"), warp("warp"), block("block");
    Func out = *result_;
    out.split(e_, eb, lane, warp::kLanes, guard)
        .split(p_, pb, warp, warps, guard)
        .fuse(eb, pb, block)
        .reorder(row_, lane, warp, block, h_, b_)
        .unroll(row_)
        .gpu_threads(lane, warp)
        .gpu_blocks(block, h_, b_);
    state_.bound(row_, 0, rows()).unroll(row_);
    parts_.push_back(state_);
    for (Func& f : parts_) {
      f.compute_at(out, lane).store_in(Halide::MemoryType::Register);
      for (const Var& own : {e_, p_, h_, b_}) f.bound_extent(own, 1);
    }
  }

 private:
  int rows() const { return tail ? 1 : tiles::kDecodeRows; }
  int queries() const { return grouped ? tiles::kDecodeQueries : 1; }

  Var e_{"e"}, row_{"row"}, p_{"p"}, h_{"h"}, b_{"b"};
  Func state_{"new_state"};
  std::vector<Func> parts_;
  Halide::GeneratorOutput<Func>* result_ = nullptr;
};

class RowsDecodeOut : public Halide::Generator<RowsDecodeOut> {
 public:
  Input<Halide::Buffer<float, 3>> phi_k{"phi_k"};        // (f, h, b)
  Input<Halide::Buffer<float, 4>> phi_q{"phi_q"};        // (f, g, h, b)
  Input<Halide::Buffer<float, 5>> part{"part"};          // (e, p, g, h, b)
  Input<Halide::Buffer<float, 3>> old_norm{"old_norm"};  // (f, h, b)
  Input<float> add{"add"}, clamp{"clamp"};
  Output<Halide::Buffer<float, 3>> norm{"norm"};  // where the old one lies, or elsewhere
  Output<Halide::Buffer<float, 4>> out{"out"};    // (e, g, h, b)

  void generate() {
    const Expr D = phi_q.dim(0).extent();
    norm(f_, h_, b_) = old_norm(f_, h_, b_) + phi_k(f_, h_, b_);

    // A thread's share of den, f = own, own + kThreads ..
    const RDom over_f(0, (D + kThreads - 1) / kThreads, "over_f");
    const Expr f = over_f * kThreads + own_, within = Halide::min(f, D - 1);
    share_(own_, g_, h_, b_) = 0.0f;
    share_(own_, g_, h_, b_) +=
        Halide::select(f < D, phi_q(within, g_, h_, b_) * norm(within, h_, b_), 0.0f);
    const RDom over_threads(0, kThreads, "over_threads"), over_p(0, part.dim(1).extent(), "over_p");
    den_(g_, h_, b_) = 0.0f;
    den_(g_, h_, b_) += share_(over_threads, g_, h_, b_);
    sum_(e_, g_, h_, b_) = 0.0f;
    sum_(e_, g_, h_, b_) += part(e_, over_p, g_, h_, b_);
    out(e_, g_, h_, b_) = sum_(e_, g_, h_, b_) / floor_at(den_(g_, h_, b_) + add, clamp);
    bind_decode(phi_k);
    bind_decode(phi_q);
    bind_decode(part);
    bind_decode(old_norm);
    bind_decode(norm);
    bind_decode(out);
    norm.dim(0).set_extent(D);
  }

  void schedule() {
    const auto guard = Halide::TailStrategy::GuardWithIf;
    const Var eb("eb"), et("et"), fb("fb"), ft("ft"), block("block");
    Func(norm).split(f_, fb, ft, kThreads, guard).gpu_threads(ft).gpu_blocks(fb, h_, b_);
    Func result = out;
    result.split(e_, eb, et, kThreads, guard)
        .fuse(eb, g_, block)
        .gpu_threads(et)
        .gpu_blocks(block, h_, b_);
    share_.compute_at(result, block).store_in(Halide::MemoryType::GPUShared);
    share_.bound(own_, 0, kThreads).gpu_threads(own_);
    share_.update().gpu_threads(own_);
    for (Func f : {den_, sum_}) f.compute_at(result, et).store_in(Halide::MemoryType::Register);
    for (Func f : {share_, den_, sum_}) {
      for (const Var& own : {g_, h_, b_}) f.bound_extent(own, 1);
    }
    sum_.bound_extent(e_, 1);
  }

 private:
  static constexpr int kThreads = 64;

  Var e_{"e"}, f_{"f"}, g_{"g"}, h_{"h"}, b_{"b"}, own_{"own"};
  Func share_{"share"}, den_{"den"}, sum_{"sum"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::RowsDecodeState, rows_decode_state)
HALIDE_REGISTER_GENERATOR(luna::RowsDecodeOut, rows_decode_out)
