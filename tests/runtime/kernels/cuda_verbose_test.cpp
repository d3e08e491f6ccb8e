// What LUNA_VERBOSE=1 prints: which kernels take a call, and why no others (stand-in device and
// driver, which runs nothing). Verbose is a process of its own: see CMakeLists.txt.
#include <torch/csrc/autograd/autograd.h>

#include <functional>

#include "runtime/kernels/registry.h"
#include "tests/support/compare.h"
#include "tests/support/stand_in_device.h"

namespace luna::test {
namespace {

/// Forward and backward, q, k, v and psi's parameters.
void call(const Case& c, at::ScalarType dtype) {
  ops::Inputs in = move_to(make_inputs(c), c10::Device("cuda:0"));
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(dtype).requires_grad_(true);
  std::vector<at::Tensor> leaves{in.q, in.k, in.v};
  if (c.spec.learned()) {
    for (const at::Tensor& param : in.params) leaves.push_back(param.requires_grad_(true));
  }
  const at::Tensor out = run_forward(in, c.spec, Through::fused);
  torch::autograd::grad({out}, leaves, {at::ones_like(out)});
}

/// On stderr, by two calls.
std::string said_by(const Case& c, at::ScalarType dtype) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 2; i++) call(c, dtype);
  return ::testing::internal::GetCapturedStderr();
}

Case heads_of(int64_t size, const std::string& map) {
  Case c = small_case(map);
  c.shape = {1, 2, 2, 9, 9, size, size, 4, 8, 16};
  return c;
}

class Verbose : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::find_pipeline("quotient_grad_64_f32_cuda")) GTEST_SKIP() << "built without nvcc";
  }
};

TEST_F(Verbose, NamesWhatTensorCoresTakeOnce) {
  EXPECT_EQ(said_by(heads_of(64, "luna"), at::kFloat),
            "luna: tensor cores take Float, heads of 64 and 64\n");
  EXPECT_EQ(said_by(heads_of(64, "luna"), at::kFloat), "");
  EXPECT_EQ(said_by(heads_of(64, "relu2"), at::kHalf),
            "luna: tensor cores take Half, heads of 64 and 64\n");
}

TEST_F(Verbose, SaysThatATableIsBeyondSharedMemory) {
  Case c = heads_of(64, "luna");
  c.shape.hid = 1024;
  EXPECT_EQ(said_by(c, at::kFloat),
            "luna: float32 pipelines, no tensor cores: a table of 1024 knots is beyond shared "
            "memory\n");
}

TEST_F(Verbose, SaysThatSumsAreBeyondRegisters) {
  Case c = heads_of(32, "luna");
  c.shape.hid = 100;
  EXPECT_EQ(said_by(c, at::kBFloat16),
            "luna: tensor cores take BFloat16, heads of 32 and 32\n"
            "luna: sums over 101 segments are beyond a block's registers: Halide's pipeline takes "
            "them\n");
}

TEST_F(Verbose, SaysWhatHasNoTensorCores) {
  EXPECT_EQ(said_by(heads_of(64, "elu"), at::kFloat),
            "luna: float32 pipelines, no tensor cores: in float32 only psi as a table has them\n");
  EXPECT_EQ(said_by(heads_of(64, "performer"), at::kBFloat16),
            "luna: float32 pipelines, no tensor cores: kv_state_performer_64_bf16_cuda is not "
            "built\n");
}

TEST_F(Verbose, SaysThatABatchIsBeyondTheGrid) {
  const auto some = [](at::IntArrayRef shape) {
    return at::ones(shape, at::TensorOptions(c10::Device("cuda:0")));
  };
  const at::Tensor x = some({65536, 1, 1, 4});
  ::testing::internal::CaptureStderr();
  luna_attention(x, x, x, {some({1, 4}), some({1}), some({1}), some({1}), some({1, 1}), some({1})});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "luna: float32 pipelines, no tensor cores: the batch is beyond the launch grid's z\n");
}

TEST_F(Verbose, SaysWhatMultipliesFeaturesInMemory) {
  EXPECT_EQ(said_by(heads_of(64, "taylor2"), at::kFloat),
            "luna: tensor cores take products of features in memory\n");
}

TEST(NotVerbose, SaysNothing) {
  EXPECT_EQ(said_by(heads_of(64, "luna"), at::kFloat), "");
  EXPECT_EQ(said_by(heads_of(64, "elu"), at::kFloat), "");
  EXPECT_EQ(said_by(heads_of(64, "taylor2"), at::kFloat), "");
}

}  // namespace
}  // namespace luna::test
