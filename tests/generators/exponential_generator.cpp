// exp_by_bits and decay_by_bits of an expression, as maps hand them one.
#include "generators/common/numeric.h"

namespace luna {

class Exponential : public Halide::Generator<Exponential> {
 public:
  Input<Halide::Buffer<float, 1>> a{"a"}, b{"b"};
  Output<Halide::Buffer<float, 1>> y{"y"}, decay{"decay"};

  void generate() {
    const Halide::Expr x = a(i_) - b(i_) * b(i_);
    y(i_) = exp_by_bits(x);
    decay(i_) = decay_by_bits(x);
    for (Halide::Func f : {Halide::Func(y), Halide::Func(decay)}) {
      f.vectorize(i_, natural_vector_size(Halide::Float(32)), Halide::TailStrategy::GuardWithIf);
    }
  }

 private:
  Halide::Var i_{"i"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::Exponential, exponential)
