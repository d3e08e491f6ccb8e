// query_scales: what a query's row of grad is weighed with, with r = max(den + add, clamp), s = o .
// g / r (0 where the clamp holds) and any vector c: scale = w / r and last = -w (s - c . g / r), so
// that dphi = (S - c z) . (scale g) + last z. With c close to S / z neither term is large: where
// features are nearly constant, S g / r and s z cancel, and their sums over tokens would not keep
// the digits.
#include "generators/attention/segments/segments.h"

namespace luna {

class QueryScales : public SegmentPass<QueryScales> {
 public:
  Input<Buffer2> grad{"grad"}, o{"o"};          // (dv, N), any row stride
  Input<Buffer1> den{"den"}, weight{"weight"};  // (N)
  Input<Buffer1> center{"center"};              // (dv): c
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
    const Expr share = Halide::strict_float(Halide::select(raw < clamp, 0.0f, o(over_e, n_)));
    dot(n_) += (center(over_e) - share) * (scale(n_) * grad(over_e, n_));
    scales(n_) = {scale(n_), dot(n_)};
    bind(center);
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
