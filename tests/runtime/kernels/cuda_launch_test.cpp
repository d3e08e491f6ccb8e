// How CUDA kernels are launched (stand-in device, PTX interpreter): what waits for the stream,
// nothing reads memory that is not a tensor's, no kernel runs for what is not wanted, what is not
// built says so.
#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "runtime/kernels/registry.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/psi/activation.h"
#include "runtime/psi/psi.h"
#include "tests/support/compare.h"
#include "tests/support/decode.h"
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
  } else if (psi::has_dense(map) || psi::piecewise_linear(map)) {
    spec.activation = map;
  } else {
    spec.feature_map = map;
  }
  return spec;
}

/// Whether psi is the table of an MLP, made by kernels that nvcc builds.
bool is_made_by_kernels(const ops::Spec& spec) {
  return spec.learned() && spec.psi != "dense" && psi::piecewise_linear(spec.activation);
}

class CudaLaunch : public ::testing::TestWithParam<std::string> {};

class CudaWaits : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (is_made_by_kernels(spec_of(GetParam())) && !kernels::find_pipeline("psi_table_cuda")) {
      GTEST_SKIP() << "built without nvcc";
    }
  }
};

/// Forward and backward of every psi, with ch_rms too, neither wait nor copy between host and
/// device.
TEST_P(CudaWaits, NeitherForwardNorBackward) {
  for (const double ch_rms_target : {0.0, 0.1}) {
    Case c = small_case();
    c.spec = spec_of(GetParam());
    c.mask = MaskKind::random;
    const bool learned = c.spec.learned();
    if (learned) c.spec.ch_rms_target = ch_rms_target;
    ops::Inputs in = move_to(make_inputs(c), kDevice);
    const at::Tensor grad = make_grad(c).to(kDevice);
    std::vector<at::Tensor> leaves{in.q, in.k, in.v};
    if (learned) leaves.insert(leaves.end(), in.params.begin(), in.params.end());
    for (at::Tensor& x : leaves) x.requires_grad_(true);
    const int64_t start = stand_in_waits(), uploads = stand_in_uploads();
    const at::Tensor out = run_forward(in, c.spec, Through::fused);
    EXPECT_EQ(stand_in_waits(), start) << "forward";
    EXPECT_EQ(stand_in_uploads(), uploads) << "forward";
    torch::autograd::grad({out}, leaves, {grad});
    EXPECT_EQ(stand_in_waits(), start) << "backward";
    EXPECT_EQ(stand_in_uploads(), uploads) << "backward";
  }
}

Case wide_case(const std::string& map) {
  Case c = small_case();
  c.spec = spec_of(map);
  c.shape = {1, 2, 2, 40, 40, 64, 64, 16, 8, 16};
  return c;
}

/// A parameter that begins anywhere in a flat buffer: kernels load whole vectors of it.
TEST(CudaLaunchOfViews, TakesParametersThatAreNotAligned) {
  const Case c = wide_case("pwl");
  ops::Inputs in = move_to(make_inputs(c), kDevice);
  const at::Tensor aligned = ops::attention_forward(in, c.spec).o.cpu();
  at::Tensor& weight = in.params[ops::kProjWeight];
  const at::Tensor flat = at::zeros({weight.numel() + 1}, weight.options());
  weight = flat.narrow(0, 1, weight.numel()).view(weight.sizes()).copy_(weight);
  EXPECT_TRUE(same_bits(ops::attention_forward(in, c.spec).o.cpu(), aligned));
}

/// Forward and backward on a second device and a stream of the caller's: every kernel, psi's table
/// included, in that device's context and on that stream.
TEST(CudaLaunchPlace, IsTheTensorsDeviceAndTorchsStream) {
  constexpr size_t kStream = 0x77;
  set_stand_in_stream(kStream);
  for (const char* map : {"luna", "elu", "performer", "rff", "taylor2", "luna-spline"}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      for (const bool causal : {false, true}) {
        Case c = small_case(map);
        c.shape.Nq = c.shape.N;
        c.spec.causal = causal;
        ops::Inputs in = move_to(make_inputs(c), c10::Device("cuda:1"));
        for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(dtype).requires_grad_(true);
        take_ptx_places();
        const at::Tensor out = run_forward(in, c.spec, Through::fused);
        torch::autograd::grad({out}, {in.q, in.k, in.v}, {at::ones_like(out)});
        const std::set<PtxPlace> places = take_ptx_places();
        ASSERT_EQ(places.size(), 1u) << describe(c);
        EXPECT_EQ(places.begin()->device, 1) << describe(c);
        EXPECT_EQ(places.begin()->stream, reinterpret_cast<void*>(kStream)) << describe(c);
      }
    }
  }
  set_stand_in_stream(0);
}

/// Until it holds, or for a second: autograd's thread lets go of a graph after it has raised.
void wait_for(const std::function<bool()>& condition) {
  for (int k = 0; k < 1000 && !condition(); k++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Those that stay: earlier tests' graphs may still be let go of.
int64_t settled_bytes() {
  int64_t bytes = stand_in_bytes();
  for (int unchanged = 0; unchanged < 50; unchanged++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (bytes != stand_in_bytes()) unchanged = 0;
    bytes = stand_in_bytes();
  }
  return bytes;
}

/// Whichever tensor of a forward and a backward finds no memory: torch's own error, and nothing is
/// left there; the call after it succeeds.
TEST(CudaMemory, ThatRunsOutIsTorchsErrorAndNothingLeaks) {
  for (const char* map : {"luna", "elu", "performer", "taylor2"}) {
    for (const bool causal : {false, true}) {
      Case c = small_case(map);
      c.shape = {1, 2, 1, 9, 9, 4, 4, 3, 2, 4};
      c.spec.causal = causal;
      ops::Inputs in = move_to(make_inputs(c), kDevice);
      for (at::Tensor* x : {&in.q, &in.k, &in.v}) x->requires_grad_(true);
      const auto call = [&] {
        const at::Tensor out = run_forward(in, c.spec, Through::fused);
        torch::autograd::grad({out}, {in.q, in.k, in.v}, {at::ones_like(out)});
      };
      const int64_t before = settled_bytes();
      int64_t failures = 0;
      for (bool failed = true; failed; failures += failed) {
        fail_stand_in_allocation(failures + 1);
        try {
          call();
          failed = false;
        } catch (const c10::OutOfMemoryError&) {
        }
        fail_stand_in_allocation(0);
        wait_for([&] { return stand_in_bytes() == before; });
        ASSERT_EQ(stand_in_bytes(), before) << describe(c) << " tensor " << failures + 1;
      }
      EXPECT_GT(failures, 10) << describe(c);
    }
  }
}

/// As the shape functions promise.
TEST(CudaLaunchOfViews, GivesGradientsThatLieAsTheirInputs) {
  for (const char* map : {"pwl", "elu"}) {
    const Case c = wide_case(map);
    ops::Inputs in = move_to(make_inputs(c), kDevice);
    in.q = in.q.transpose(1, 2).contiguous().transpose(1, 2);
    const kernels::Forward saved = ops::attention_forward(in, c.spec);
    const ops::WantedGradients all{true, true, true, std::vector<bool>(in.params.size(), true)};
    const ops::Gradients grads =
        ops::attention_backward(make_grad(c).to(kDevice), in, saved, c.spec, all);
    EXPECT_EQ(grads.q.strides(), in.q.strides()) << map;
    EXPECT_EQ(grads.k.strides(), in.k.strides()) << map;
    EXPECT_EQ(grads.v.strides(), in.v.strides()) << map;
  }
}

/// Whatever else is asked for.
TEST(CudaPsi, NeitherWaitsNorCopiesInAnyForm) {
  if (!kernels::find_pipeline("psi_table_cuda")) GTEST_SKIP() << "built without nvcc";
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const bool causal : {false, true}) {
      for (const char* envelope : {"none", "exp", "norm"}) {
        Case c = small_case();
        c.shape.Nq = c.shape.N;
        c.mask = MaskKind::random;
        c.spec.causal = causal;
        c.spec.envelope = envelope;
        ops::Inputs in = move_to(make_inputs(c), kDevice);
        const at::Tensor grad = make_grad(c).to(kDevice).to(dtype);
        for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(dtype);
        std::vector<at::Tensor> leaves{in.q, in.k, in.v};
        leaves.insert(leaves.end(), in.params.begin(), in.params.end());
        for (at::Tensor& x : leaves) x.requires_grad_(true);
        const int64_t waits = stand_in_waits(), uploads = stand_in_uploads();
        const at::Tensor out = run_forward(in, c.spec, Through::fused);
        torch::autograd::grad({out}, leaves, {grad});
        EXPECT_EQ(stand_in_waits(), waits) << dtype << causal << envelope;
        EXPECT_EQ(stand_in_uploads(), uploads) << dtype << causal << envelope;
      }
    }
  }
}

/// Offsets on the device are read once, whatever is made of them.
TEST(CudaPacked, WaitsForOffsetsOnTheDeviceAlone) {
  Case c = small_case("elu");
  c.shape.B = 1;
  c.begins = {0, 10, 10, 22, 37};
  c.shape.Nq = c.shape.N;
  ops::Inputs in = move_to(make_inputs(c), kDevice);
  const at::Tensor grad = make_grad(c).to(kDevice);
  for (const int64_t waits : {1, 0}) {
    in.q.requires_grad_(true);
    const int64_t start = stand_in_waits();
    const at::Tensor out = run_forward(in, c.spec, Through::fused);
    torch::autograd::grad({out}, {in.q}, {grad});
    EXPECT_EQ(stand_in_waits() - start, waits);
    in.cu_seqlens = in.cu_seqlens->to(c10::kCPU);
  }
}

TEST_P(CudaWaits, NoStepOfDecoding) {
  Case c = small_case();
  c.spec = spec_of(GetParam());
  if (c.spec.feature_map == "cosformer") return;
  c.spec.causal = true;
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = move_to(make_inputs(c), kDevice);
  const Prefilled prompt = prefill(in, c.spec, 3);
  const int64_t start = stand_in_waits(), uploads = stand_in_uploads();
  const at::Tensor positions = at::full({2}, 3, in.q.options().dtype(at::kLong));
  const auto token = [](const at::Tensor& x) { return x.select(2, 3); };
  if (c.spec.learned()) {
    luna_decode_step(token(in.q), token(in.k), token(in.v), prompt.state, prompt.norm,
                     luna_params(in), options_of(c.spec));
  } else {
    fixed_decode_step(token(in.q), token(in.k), token(in.v), prompt.state, prompt.norm,
                      c.spec.feature_map, in.params, {}, positions);
  }
  EXPECT_EQ(stand_in_waits(), start);
  EXPECT_EQ(stand_in_uploads(), uploads);
}

/// Thread-instructions of a backward.
class BackwardWork {
 public:
  explicit BackwardWork(const Case& c)
      : case_(c),
        in_(move_to(make_inputs(c), kDevice)),
        grad_(make_grad(c).to(kDevice)),
        saved_(ops::attention_forward(in_, c.spec)) {}

  uint64_t of(bool q, bool k, bool v, bool params) const {
    take_ptx_counts();
    const std::vector<bool> each(in_.params.size(), params);
    ops::attention_backward(grad_, in_, saved_, case_.spec, {q, k, v, each});
    uint64_t total = 0;
    for (const auto& [kernel, counts] : take_ptx_counts()) total += counts.total();
    return total;
  }

 private:
  Case case_;
  ops::Inputs in_;
  at::Tensor grad_;
  kernels::Forward saved_;
};

TEST_P(CudaLaunch, ComputesNoGradientThatIsNotWanted) {
  Case c = small_case();
  c.spec = spec_of(GetParam());
  const BackwardWork work(c);
  const uint64_t q = work.of(true, false, false, false), k = work.of(false, true, false, false);
  const uint64_t v = work.of(false, false, true, false), k_v = work.of(false, true, true, false);
  const uint64_t inputs = work.of(true, true, true, false);
  // performer: the largest t of q; psi: its table.
  const uint64_t none = work.of(false, false, false, false);
  EXPECT_EQ(none > 0, c.spec.feature_map.rfind("performer", 0) == 0 || is_made_by_kernels(c.spec));
  EXPECT_LT(none, std::min({q, k, v}));
  EXPECT_LT(std::max(k, v), k_v);
  EXPECT_LT(k_v, k + v - none) << "both need the state's gradient, once";
  EXPECT_LE(inputs, q + k_v - none) << "features in memory serve both";
  if (c.spec.learned()) {
    EXPECT_LT(inputs, work.of(true, true, true, true));
    EXPECT_LT(work.of(false, false, false, true), work.of(true, true, true, true)) << "no v";
  }
}

/// q claims 64 tokens in memory of which 40 are a tensor's.
TEST(CudaMemory, OfOtherTensorsIsNotRead) {
  Case c = small_case("elu");
  c.shape = {1, 1, 1, 64, 40, 32, 32, 1, 1, 1};
  ops::Inputs in = move_to(make_inputs(c), kDevice);
  run_forward(in, c.spec, Through::fused);
  const at::Tensor shorter = at::zeros({1, 1, 40, 32}, in.q.options());
  in.q = at::for_blob(shorter.data_ptr(), {1, 1, 64, 32})
             .options(in.q.options())
             .target_device(kDevice)
             .make_tensor();
  const std::string error = torch_error_of([&] { run_forward(in, c.spec, Through::fused); });
  EXPECT_NE(error.find("CUDA_ERROR_ILLEGAL_ADDRESS"), std::string::npos) << error;
  EXPECT_NE(take_ptx_error().find("is outside every registered allocation"), std::string::npos);
}

/// A position out of range is not looked at, which would be to wait, and shows.
TEST(CudaDecode, MakesNanOfAPositionOutOfRange) {
  const auto some = [](at::IntArrayRef shape) {
    return at::ones(shape, at::TensorOptions(kDevice));
  };
  const at::Tensor positions = at::tensor({8, 9, -1}, at::kLong).to(kDevice);
  const at::Tensor out =
      fixed_decode_step(some({3, 1, 4}), some({3, 1, 4}), some({3, 1, 2}), some({3, 1, 8, 2}),
                        some({3, 1, 8}), "cosformer:9", {}, {}, positions);
  const at::Tensor nan = out.isnan().to(c10::kCPU).flatten(1);
  EXPECT_FALSE(nan[0].any().item<bool>());
  EXPECT_TRUE(nan[1].all().item<bool>() && nan[2].all().item<bool>());
}

TEST(CudaTables, MakeNanOfKnotsThatDoNotRise) {
  const Case c = small_case("luna-spline");
  ops::Inputs in = make_inputs(c);
  in.params[2] = in.params[2].flip(0);
  const std::string error = torch_error_of([&] { ops::attention_forward(in, c.spec); });
  EXPECT_NE(error.find("must rise"), std::string::npos) << error;
  const ops::Inputs there = move_to(in, kDevice);
  EXPECT_TRUE(ops::attention_forward(there, c.spec).o.isnan().all().item<bool>());
}

class CudaInlined : public ::testing::TestWithParam<std::string> {};

TEST_P(CudaInlined, NamesTheHeadsThatAreTooMany) {
  Case c = small_case();
  c.spec = spec_of(GetParam());
  c.shape = {1, 65536, 1, 1, 1, 1, 1, 1, 1, 1};
  const ops::Inputs in = move_to(make_inputs(c), kDevice);
  EXPECT_EQ(torch_error_of([&] { run_forward(in, c.spec, Through::fused); }),
            "luna: CUDA takes at most 65535 heads a call, got 65536; split the heads");
}

INSTANTIATE_TEST_SUITE_P(Fixed, CudaLaunch, ::testing::ValuesIn(fused_map_names()));
INSTANTIATE_TEST_SUITE_P(Psi, CudaLaunch, ::testing::Values("pwl", "dense"));
INSTANTIATE_TEST_SUITE_P(Fixed, CudaWaits, ::testing::ValuesIn(fused_map_names()));
INSTANTIATE_TEST_SUITE_P(Psi, CudaWaits,
                         ::testing::Values("pwl", "dense", "gelu", "silu", "leaky_relu",
                                           "hardtanh"));
INSTANTIATE_TEST_SUITE_P(Maps, CudaInlined,
                         ::testing::Values("pwl", "dense", "elu", "relu", "performer"));

}  // namespace
}  // namespace luna::test
