#include "Halide.h"
using namespace Halide;
namespace {
class Probe : public Generator<Probe> {
 public:
  Input<Buffer<float, 1>> x{"x"};
  Output<Buffer<float, 1>> y{"y"};
  void generate() {
    Var i("i");
    y(i) = 2.0f * x(i);
  }
};
}  // namespace
HALIDE_REGISTER_GENERATOR(Probe, probe)
