// A state from its partial sums: over the slots of a head and over the heads of its group, in
// float64. Rows of features that the map does not have, and columns behind the normaliser, are 0.
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Expr;
using Halide::Func;
using Halide::Var;

class BatchStateTotal : public Halide::Generator<BatchStateTotal> {
 public:
  Input<Halide::Buffer<float, 5>> partial{"partial"};  // (e, D, slot, h, b)
  Input<int> columns{"columns"};                       ///< the normaliser's is the last of them
  /// Feature D exists where D < features and D % stride < channels.
  Input<int> features{"features"}, stride{"stride"}, channels{"channels"};
  Output<Halide::Buffer<float, 4>> total{"total"};  // (e, D, key head, b)

  void generate() {
    const Expr group = partial.dim(3).extent() / total.dim(2).extent();
    over_ = Halide::RDom(0, partial.dim(2).extent(), 0, group, "over");
    sum_(e_, D_, h_, b_) = Halide::cast<double>(0);
    sum_(e_, D_, h_, b_) +=
        Halide::cast<double>(partial(e_, D_, over_.x, h_ * group + over_.y, b_));
    const Expr exists = e_ < columns && D_ < features && D_ % stride < channels;
    total(e_, D_, h_, b_) = Halide::select(exists, Halide::cast<float>(sum_(e_, D_, h_, b_)), 0.0f);
    dense(partial);
    dense(total);
  }

  void schedule() {
    const Var block("block");
    Func out = total;
    out.fuse(D_, b_, block).reorder(e_, block, h_).gpu_threads(e_).gpu_blocks(block, h_);
    sum_.compute_at(out, e_).store_in(Halide::MemoryType::Register);
    for (const Var& axis : {e_, D_, h_, b_}) sum_.bound_extent(axis, 1);
  }

 private:
  template <typename Buffer>
  static void dense(Buffer& buffer) {
    Expr stride = 1;
    for (int axis = 0; axis < buffer.dimensions(); axis++) {
      buffer.dim(axis).set_min(0).set_stride(stride);
      stride = stride * buffer.dim(axis).extent();
    }
  }

  Var e_{"e"}, D_{"D"}, h_{"h"}, b_{"b"};
  Func sum_{"sum"};
  Halide::RDom over_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchStateTotal, batch_state_total)
