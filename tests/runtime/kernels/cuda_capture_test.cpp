// Why a CUDA graph can capture a call (stand-in device and driver, which runs nothing): once its
// kernels are loaded, all that a call asks of the driver is to launch them, the same ones every
// time, and the host neither waits nor copies. On a device: tests/runtime/graph_capture.py.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>

#include "runtime/kernels/registry.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"
#include "tests/support/compare.h"
#include "tests/support/stand_in_cuda.h"
#include "tests/support/stand_in_device.h"

namespace luna::test {
namespace {

/// What is no work of the device's and allowed while a stream is captured.
bool on_the_host(const std::string& driver_call) {
  for (const char* name :
       {"cuCtxPushCurrent", "cuCtxPopCurrent", "cuModuleGetFunction", "cuFuncSetAttribute"}) {
    if (driver_call.rfind(name, 0) == 0) return true;
  }
  return false;
}

std::vector<std::string> device_work(const std::function<void()>& call) {
  take_driver_calls();
  call();
  std::vector<std::string> work;
  for (const std::string& driver_call : take_driver_calls()) {
    if (!on_the_host(driver_call)) work.push_back(driver_call);
  }
  return work;
}

void expect_capturable(const std::function<void()>& call, const std::string& what) {
  call();  // loads its kernels
  const int64_t waits = stand_in_waits(), uploads = stand_in_uploads();
  const std::vector<std::string> captured = device_work(call);
  EXPECT_FALSE(captured.empty()) << what;
  for (const std::string& work : captured) {
    EXPECT_EQ(work.rfind("cuLaunchKernel ", 0), 0u) << what << ": " << work;
  }
  EXPECT_EQ(device_work(call), captured) << what;
  EXPECT_EQ(stand_in_waits(), waits) << what;
  EXPECT_EQ(stand_in_uploads(), uploads) << what;
}

/// All, LUNA's where its table is made on the device.
std::vector<std::string> capturable_maps(bool causal) {
  std::vector<std::string> maps = causal ? causal_map_names() : fused_map_names();
  if (kernels::find_pipeline("psi_table_cuda")) maps.push_back("luna");
  return maps;
}

/// One of every map, and LUNA with its psi as an MLP and with scaled channels.
std::vector<Case> capturable_cases(bool causal) {
  std::vector<Case> cases;
  for (const std::string& map : capturable_maps(causal)) cases.push_back(small_case(map));
  const auto add_luna = [&](const char* psi, double ch_rms_target) {
    cases.push_back(small_case("luna"));
    cases.back().spec.psi = psi;
    cases.back().spec.ch_rms_target = ch_rms_target;
  };
  add_luna("dense", 0.0);
  if (!causal) add_luna("dense", 0.5);
  if (!causal && kernels::find_pipeline("psi_table_cuda")) add_luna("pwl", 0.5);
  return cases;
}

/// Tokens of a case on the stand-in device in a dtype, with all that is learned.
ops::Inputs inputs_there(const Case& c, at::ScalarType dtype) {
  ops::Inputs in = move_to(make_inputs(c), c10::Device("cuda:0"));
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(dtype).requires_grad_(true);
  return in;
}

void expect_training_capturable(const Case& c, const ops::Inputs& in) {
  std::vector<at::Tensor> leaves{in.q, in.k, in.v};
  if (c.spec.learned()) {
    for (const at::Tensor& param : in.params) leaves.push_back(param.requires_grad_(true));
  }
  const at::Tensor upstream = make_grad(c).to(in.q.options());
  expect_capturable(
      [&] {
        const at::Tensor out = run_forward(in, c.spec, Through::fused);
        torch::autograd::grad({out}, leaves, {upstream});
      },
      describe(c));
}

class CudaCapture : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(CudaCapture, ForwardAndBackwardOnlyLaunch) {
  for (const bool causal : {false, true}) {
    for (Case c : capturable_cases(causal)) {
      c.shape.Nq = c.shape.N;
      c.spec.causal = causal;
      expect_training_capturable(c, inputs_there(c, GetParam()));
    }
  }
}

/// Sequences of like length, a batch whose places are told from the offsets, and some alone.
TEST_P(CudaCapture, PackedSequencesOnlyLaunch) {
  for (Case c : capturable_cases(false)) {
    c.shape.B = 1;
    c.shape.Nq = c.shape.N;
    ops::Inputs in = inputs_there(c, GetParam());
    const auto N = static_cast<int>(c.shape.N);
    in.cu_seqlens = at::tensor({0, 5, 6, 13, 13, N}, at::kInt);
    set_capturing(true);
    expect_training_capturable(c, in);
    set_capturing(false);
  }
}

TEST_P(CudaCapture, ADecodingStepOnlyLaunches) {
  for (const std::string& map : capturable_maps(true)) {
    const Case c = small_case(map);
    const ops::Inputs in = inputs_there(c, GetParam());
    const at::NoGradGuard no_grad;
    const auto token = [](const at::Tensor& x) { return x.select(2, 0).detach(); };
    const int64_t features = ops::feature_count(in, c.spec).expect_int();
    const at::Tensor norm =
        at::zeros({c.shape.B, c.shape.Hk, features}, in.q.options().dtype(at::kFloat));
    const at::Tensor state =
        at::zeros({c.shape.B, c.shape.Hk, features, c.shape.dv}, norm.options());
    const at::Tensor positions = at::zeros({c.shape.B}, norm.options().dtype(at::kLong));
    expect_capturable(
        [&] {
          if (c.spec.learned()) {
            luna_decode_step(token(in.q), token(in.k), token(in.v), state, norm, luna_params(in),
                             options_of(c.spec));
          } else {
            fixed_decode_step(token(in.q), token(in.k), token(in.v), state, norm, map, in.params,
                              {}, positions);
          }
        },
        describe(c));
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, CudaCapture,
                         ::testing::Values(at::kFloat, at::kBFloat16, at::kHalf));

}  // namespace
}  // namespace luna::test
