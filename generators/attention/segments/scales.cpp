// query_scales: what a query's row of grad is weighed with, with r = max(den + add, clamp):
// scale = w / r and last = -w s, s = o . g / r (0 where the clamp holds).
#include "generators/attention/segments/segments.h"

namespace luna {

class QueryScales : public SegmentPass<QueryScales> {
 public:
  Input<Buffer2> grad{"grad"}, o{"o"};          // (dv, N), any row stride
  Input<Buffer1> den{"den"}, weight{"weight"};  // (N)
  Input<float> add{"add"}, clamp{"clamp"};
  Output<Func> scales{"scales", {Halide::Float(32), Halide::Float(32)}, 1};  // scale, last (N)

  void generate() {
    const Expr width = bind_tokens(grad);
    bind_tokens(o);
    const RDom over_e(0, width, "over_e");
    const Expr raw = den(n_) + add;
    Func dot("dot"), scale("scale");
    scale(n_) = weight(n_) / floor_at(raw, clamp);
    dot(n_) = 0.0f;
    dot(n_) += o(over_e, n_) * (scale(n_) * grad(over_e, n_));
    scales(n_) = {scale(n_), -Halide::strict_float(Halide::select(raw < clamp, 0.0f, dot(n_)))};
    bind_scalars(den);
    bind_scalars(weight);
    Func result = scales;
    scale.compute_at(result, n_);
    dot.compute_at(result, n_).store_in(Halide::MemoryType::Register);
    dot.update().atomic().vectorize(over_e, size ? int(size) : lanes(),
                                    Halide::TailStrategy::GuardWithIf);
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::QueryScales, segment_query_scales)
