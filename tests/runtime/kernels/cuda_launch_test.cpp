// How CUDA kernels are launched (stand-in device, PTX interpreter): nothing waits for the stream,
// nothing reads memory that is not the call's, what is not built says so.
#include <torch/csrc/autograd/autograd.h>

#include "runtime/ops/fixed_maps.h"
#include "tests/support/compare.h"
#include "tests/support/ptx/driver.h"
#include "tests/support/stand_in_device.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

const c10::Device kDevice("cuda:0");

ops::Spec spec_of(const std::string& map) {
  ops::Spec spec;
  if (map == "pwl" || map == "dense") {
    spec.psi = map;
  } else {
    spec.feature_map = map;
  }
  return spec;
}

class CudaLaunch : public ::testing::TestWithParam<const char*> {};
using FixedCudaLaunch = CudaLaunch;

// (A learned map waits once for psi's parameters: its table is built on the host.)
TEST_P(FixedCudaLaunch, NothingWaitsForTheStream) {
  Case c = small_case();
  c.spec = spec_of(GetParam());
  c.mask = MaskKind::random;
  ops::Inputs in = move_to(make_inputs(c), kDevice);
  const at::Tensor grad = make_grad(c).to(kDevice);
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) x->requires_grad_(true);
  const int64_t before = stand_in_waits();
  const at::Tensor out = run_forward(in, c.spec, Through::fused);
  torch::autograd::grad({out}, {in.q, in.k, in.v}, {grad});
  EXPECT_EQ(stand_in_waits(), before);
}

TEST_P(CudaLaunch, NamesTheHeadSizeThatIsNotBuilt) {
  Case c = small_case();
  c.spec = spec_of(GetParam());
  c.shape.d = 65;
  c.shape.dv = 3;
  const ops::Inputs in = move_to(make_inputs(c), kDevice);
  EXPECT_EQ(torch_error_of([&] { run_forward(in, c.spec, Through::fused); }),
            "luna: not built yet for CUDA: head sizes above 64, got 65; move the tensors to "
            "the CPU");
}

INSTANTIATE_TEST_SUITE_P(Maps, FixedCudaLaunch, ::testing::ValuesIn(ops::fixed_map_names()));
INSTANTIATE_TEST_SUITE_P(Fixed, CudaLaunch, ::testing::ValuesIn(ops::fixed_map_names()));
INSTANTIATE_TEST_SUITE_P(Psi, CudaLaunch, ::testing::Values("pwl", "dense"));

}  // namespace
}  // namespace luna::test
