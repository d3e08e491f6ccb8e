// The operators on CUDA tensors as far as no kernel is needed (stand-in device and driver): which
// argument is on the wrong device.
#include "runtime/psi/psi.h"
#include "tests/support/compare.h"
#include "tests/support/stand_in_cuda.h"
#include "tests/support/stand_in_device.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

class Device : public ::testing::Test {
 protected:
  Device() : case_(small_case()) {
    case_.mask = MaskKind::random;
    host_ = make_inputs(case_);
    in_ = move_to(host_, c10::Device("cuda:0"));
  }
  std::string message() const {
    return torch_error_of([&] { run_forward(in_, case_.spec, Through::fused); });
  }

  Case case_;
  ops::Inputs host_, in_;
};

TEST_F(Device, NamesTheArgumentOnAnother) {
  in_.v = host_.v;
  EXPECT_EQ(message(), "luna_attention: v must be on q's device cuda:0, got cpu.");
  in_.v = to_stand_in(host_.v, 1);
  EXPECT_EQ(message(), "luna_attention: v must be on q's device cuda:0, got cuda:1.");
  in_.v = to_stand_in(host_.v);
  in_.params[ops::kW2] = host_.params[ops::kW2];
  EXPECT_EQ(message(), "luna_attention: w2 must be on q's device cuda:0, got cpu.");
  in_.params[ops::kW2] = to_stand_in(host_.params[ops::kW2]);
  in_.key_mask = host_.key_mask;
  EXPECT_EQ(message(), "luna_attention: key_mask must be on q's device cuda:0, got cpu.");
  in_.q = host_.q;
  EXPECT_EQ(message(), "luna_attention: k must be on q's device cpu, got cuda:0.");
}

TEST_F(Device, NamesOffsetsOnAnother) {
  case_.shape.B = 1;
  case_.shape.Nq = case_.shape.N;
  in_ = move_to(make_inputs(case_), c10::Device("cuda:0"));
  in_.cu_seqlens = to_stand_in(at::tensor({0, 3, 37}, at::kInt), 1);
  EXPECT_EQ(message(),
            "luna_attention: cu_seqlens must be on the host or on q's device cuda:0, got cuda:1.");
}

/// What the host would have to wait for.
TEST_F(Device, RefusesOffsetsThereWhileAGraphIsCaptured) {
  case_.shape.B = 1;
  case_.shape.Nq = case_.shape.N;
  in_ = move_to(make_inputs(case_), c10::Device("cuda:0"));
  in_.cu_seqlens = at::tensor({0, 3, 37}, at::kInt);
  set_capturing(true);
  const std::string on_the_host = message();
  in_.cu_seqlens = to_stand_in(*in_.cu_seqlens);
  const std::string there = message();
  set_capturing(false);
  EXPECT_EQ(on_the_host, "no error");
  EXPECT_EQ(
      there,
      "luna: the host cannot read cu_seqlens on cuda:0 while a CUDA graph is captured: pass it "
      "on the host");
  EXPECT_EQ(message(), "no error");
}

TEST(Capture, NoParameterIsReadByTheHost) {
  const at::Tensor there = to_stand_in(at::ones({2}));
  set_capturing(true);
  const std::string refused = torch_error_of([&] { psi::to_host(there); });
  set_capturing(false);
  EXPECT_EQ(refused,
            "luna: the host cannot read psi's parameters on cuda:0 while a CUDA graph is captured: "
            "build with nvcc, or take psi = dense");
  EXPECT_EQ(psi::to_host(there), (std::vector<double>{1.0, 1.0}));
}

}  // namespace
}  // namespace luna::test
