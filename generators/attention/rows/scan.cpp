// before(i, c, b): what element i of the states of the chunks before c (reverse: after c) add up
// to, beginning with a carry.
#include "generators/common/warp.h"

namespace luna {

using Halide::Expr;
using Halide::Func;
using Halide::Var;

class RowsScan : public Halide::Generator<RowsScan> {
 public:
  GeneratorParam<int> threads{"threads", 128};       ///< the schedule: of a block
  Input<Halide::Buffer<float, 3>> states{"states"};  // (i, c, b)
  Input<Halide::Buffer<float, 2>> carry{"carry"};    // (i, b)
  Input<int> reverse{"reverse"};                     // 0 or 1
  Output<Halide::Buffer<float, 3>> before{"before"};

  void generate() {
    const Expr chunks = before.dim(1).extent();
    over_c_ = Halide::RDom(0, chunks, "over_c");
    const auto at = [&](const Expr& c) {
      return Halide::clamp(Halide::select(reverse != 0, chunks - 1 - c, c), 0, chunks - 1);
    };
    const Expr last = at(Halide::max(over_c_ - 1, 0));
    before(i_, c_, b_) = Halide::undef<float>();
    before(i_, at(over_c_), b_) =
        Halide::select(over_c_ == 0, carry(i_, b_), before(i_, last, b_) + states(i_, last, b_));
    bind(states);
    bind(carry);
    bind(before);
  }

  void schedule() {
    const Var io("io"), ii("ii"), block("block");
    Func out = before;
    out.gpu_blocks(i_, b_);  // no code: what is there stays
    out.update()
        .split(i_, io, ii, threads, Halide::TailStrategy::GuardWithIf)
        .fuse(io, b_, block)
        .reorder(over_c_, ii, block)
        .gpu_threads(ii)
        .gpu_blocks(block);
  }

 private:
  template <typename Buffer>
  static void bind(Buffer& buffer) {
    for (int axis = 0; axis < buffer.dimensions(); axis++) buffer.dim(axis).set_min(0);
  }

  Var i_{"i"}, c_{"c"}, b_{"b"};
  Halide::RDom over_c_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::RowsScan, rows_scan)
