// exp_by_bits of an expression, as maps hand it one.
#include "generators/common/numeric.h"

namespace luna {

class Exponential : public Halide::Generator<Exponential> {
 public:
  Input<Halide::Buffer<float, 1>> a{"a"}, b{"b"};
  Output<Halide::Buffer<float, 1>> y{"y"};

  void generate() {
    y(i_) = exp_by_bits(a(i_) - b(i_) * b(i_));
    y.vectorize(i_, natural_vector_size(Halide::Float(32)), Halide::TailStrategy::GuardWithIf);
  }

 private:
  Halide::Var i_{"i"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::Exponential, exponential)
