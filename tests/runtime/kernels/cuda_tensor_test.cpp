// The tensor-core siblings of the batched passes (stand-in device, PTX interpreter): they take what
// they are built for, and give what the float64 reference gives of the rounded inputs.
#include <algorithm>

#include "runtime/kernels/cuda/passes.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/call.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {
namespace {

/// Of sums in two parts, rounded and rest, which keep 16 bits; in three they keep float32's. Beside
/// float16 those of the state keep 11: half of what rounding to them takes at most.
double inside(at::ScalarType dtype) {
  return dtype == at::kFloat ? kFloorTensors : dtype == at::kHalf ? 0x1p-12 : 1e-4;
}
/// Of results in half precision: bfloat16 itself rounds by 1.7e-3.
double outside(at::ScalarType dtype) { return dtype == at::kFloat ? kFloorParams : 4e-3; }

ops::Inputs rounded(ops::Inputs in, at::ScalarType dtype) {
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(dtype).to(at::kFloat);
  for (at::Tensor& param : in.params) param = param.to(dtype).to(at::kFloat);
  return in;
}

/// The device's inputs: q, k and v in that dtype, parameters in float32.
ops::Inputs on_device(const ops::Inputs& in, at::ScalarType dtype) {
  ops::Inputs out = move_to(in, fused_device());
  for (at::Tensor* x : {&out.q, &out.k, &out.v}) *x = x->to(dtype);
  return out;
}

bool is_sibling(const std::string& name) {
  const auto has = [&](const char* storage) { return name.find(storage) != std::string::npos; };
  return has("_bf16") || has("_f16") || has("_f32");
}

/// Kernels of tokens that ran since the last take: those on tensor cores, and others. Not the one
/// that adds up the partial states of both, nor those of psi's parameters.
std::pair<int, int> take_kernels() {
  int tensor = 0, other = 0;
  for (const auto& [name, counts] : take_ptx_counts()) {
    if (name.find("_kernel_total") == 0 || name.find("psi_") == 0) continue;
    (is_sibling(name) ? tensor : other)++;
  }
  return {tensor, other};
}

bool built() {
  static const bool is = kernels::find_pipeline("kv_state_pwl8_64_bf16_cuda") != nullptr;
  return is;
}

class OnTensorCores : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    if (!built()) GTEST_SKIP() << "built without nvcc";
    poison_fresh_memory();
    take_ptx_counts();
  }
};

using CaseOfDtype = std::tuple<Case, at::ScalarType>;
class TensorAccuracy : public OnTensorCores, public ::testing::WithParamInterface<CaseOfDtype> {};

/// Before the operator rounds its results to half precision.
TEST_P(TensorAccuracy, ForwardKeepsTheBitsOfItsParts) {
  const auto& [c, dtype] = GetParam();
  const ops::Inputs in = rounded(make_inputs(c), dtype), on = on_device(in, dtype);
  const kernels::Forward given = ops::attention_forward(on, c.spec);
  EXPECT_EQ(take_kernels(), std::make_pair(2, 0));
  ops::Inputs exact = in;
  for (at::Tensor* x : {&exact.q, &exact.k, &exact.v}) *x = x->to(at::kDouble);
  for (at::Tensor& param : exact.params) param = param.to(at::kDouble);
  const Error e = error(given.o.cpu(), run_forward(exact, c.spec, Through::reference));
  EXPECT_LE(e.rms, inside(dtype)) << describe(c);
  EXPECT_LE(e.max, 10 * inside(dtype)) << describe(c);
}

TEST_P(TensorAccuracy, GradientsAreThoseOfTheRoundedInputs) {
  const auto& [c, dtype] = GetParam();
  const ops::Inputs in = rounded(make_inputs(c), dtype);
  const at::Tensor grad = make_grad(c).to(dtype).to(at::kFloat);
  const Result given = run(in, c.spec, grad, Through::fused, dtype);
  const bool large = c.shape.hid >= 100;  // whose sums over segments are Halide's
  EXPECT_EQ(take_kernels(), large ? std::make_pair(4, 1) : std::make_pair(4, 0));
  const Result exact = run(in, c.spec, grad, Through::reference, at::kDouble);
  const Result scale = run(in, c.spec, grad, Through::numerator, at::kDouble);
  for (size_t i = 0; i < given.names.size(); ++i) {
    EXPECT_LE(error(given.tensors[i], exact.tensors[i], scale.tensors[i]).rms, outside(dtype))
        << describe(c) << " " << given.names[i];
  }
}

/// Borders of tiles, blocks and slots; heads below 32, 64 and of odd sizes; several groups of
/// projections and of channels; grouped heads.
std::vector<CaseOfDtype> cases() {
  const std::vector<Shape> shapes{
      // B, H, Hk, Nq, N, d, dv, m, L, hid
      {1, 1, 1, 64, 64, 64, 64, 16, 8, 64},  {2, 2, 1, 33, 65, 17, 40, 5, 4, 13},
      {1, 4, 2, 257, 130, 32, 32, 16, 8, 7}, {1, 1, 1, 31, 1030, 64, 32, 20, 8, 40},
      {1, 2, 2, 1, 1, 8, 1, 1, 3, 2},        {2, 1, 1, 70, 63, 40, 64, 9, 12, 100},
  };
  std::vector<CaseOfDtype> all;
  for (const Shape& shape : shapes) {
    for (const MaskKind mask : {MaskKind::none, MaskKind::random}) {
      for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf, at::kFloat}) {
        Case c;
        c.shape = shape;
        c.mask = mask;
        c.seed = 3 + all.size();
        c.spec.eps = 0.5;
        c.spec.nonneg = all.size() % 3 != 0;
        c.spec.envelope = mask == MaskKind::none ? "none" : "norm";
        c.layout = all.size() % 2 ? Layout::tokens_first : Layout::contiguous;
        all.emplace_back(c, dtype);
      }
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Shapes, TensorAccuracy, ::testing::ValuesIn(cases()));

/// Maps of one coordinate, in half precision.
std::vector<CaseOfDtype> elementwise_cases() {
  std::vector<CaseOfDtype> all;
  for (const char* map : {"elu", "relu", "relu2", "identity"}) {
    for (const Shape& shape :
         {Shape{2, 2, 1, 33, 65, 17, 40, 1, 1, 1}, Shape{1, 4, 2, 257, 130, 32, 32, 1, 1, 1},
          Shape{1, 1, 1, 64, 330, 64, 64, 1, 1, 1}, Shape{1, 2, 2, 1, 1, 8, 1, 1, 1, 1}}) {
      for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
        Case c = small_case(map);
        c.shape = shape;
        const size_t i = all.size(), of_map = i / 8;  // every map has another half of the choices
        c.mask = (i / 4 + i + of_map) % 2 ? MaskKind::random : MaskKind::none;
        c.seed = 3 + i;
        c.spec.eps = 0.5;
        c.layout = (i / 2 + i + of_map / 2) % 2 ? Layout::tokens_first : Layout::contiguous;
        all.emplace_back(c, dtype);
      }
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Elementwise, TensorAccuracy, ::testing::ValuesIn(elementwise_cases()));

class TensorCores : public OnTensorCores {
 protected:
  static Case usual() {
    Case c = small_case();
    c.shape.N = c.shape.Nq = 70;
    c.spec.eps = 0.5;
    return c;
  }
};

TEST_F(TensorCores, GiveTheSameBitsAgain) {
  const Case c = usual();
  const ops::Inputs in = on_device(make_inputs(c), at::kBFloat16);
  const kernels::Forward one = ops::attention_forward(in, c.spec);
  EXPECT_TRUE(same_bits(one.o.cpu(), ops::attention_forward(in, c.spec).o.cpu()));
}

class TensorCoresNan : public TensorCores, public ::testing::WithParamInterface<const char*> {
 protected:
  static Case usual() {
    Case c = TensorCores::usual();
    c.spec.feature_map = GetParam();
    return c;
  }
};
INSTANTIATE_TEST_SUITE_P(Maps, TensorCoresNan, ::testing::Values("luna", "elu", "identity"));

TEST_P(TensorCoresNan, OfAMaskedTokenStaysOut) {
  Case c = usual();
  c.mask = MaskKind::random;
  ops::Inputs in = on_device(make_inputs(c), at::kBFloat16);
  const kernels::Forward right = ops::attention_forward(in, c.spec);
  const at::Tensor dropped = in.key_mask->logical_not().unsqueeze(1).unsqueeze(-1);
  for (at::Tensor* x : {&in.k, &in.v}) *x = x->masked_fill(dropped, NAN);
  EXPECT_TRUE(same_bits(ops::attention_forward(in, c.spec).o.cpu(), right.o.cpu()));
}

TEST_P(TensorCoresNan, OfAKeyReachesItsHeadAlone) {
  const Case c = usual();
  ops::Inputs in = make_inputs(c);
  in.k.select(0, 1).select(0, 0).select(0, 3).fill_(
      NAN);  // key head 0 of 2, so query heads 0 and 1
  const at::Tensor o = ops::attention_forward(on_device(in, at::kBFloat16), c.spec).o.cpu();
  for (int64_t b = 0; b < 2; b++) {
    for (int64_t h = 0; h < 4; h++) {
      const at::Tensor bad = o.select(0, b).select(0, h).isnan();
      EXPECT_EQ(bad.any().item<bool>(), b == 1 && h < 2) << b << ", " << h;
    }
  }
}

/// Of weight 0, a query's row is 0 also where nothing is added to the denominator.
TEST_F(TensorCores, GiveZeroForAQueryThatIsNotThere) {
  for (const bool causal : {false, true}) {
    Case c = usual();
    c.spec.causal = causal;
    c.spec.envelope = "norm";
    c.spec.eps = 0;
    ops::Inputs in = make_inputs(c);
    in.q.select(2, 3).zero_();
    const at::Tensor o = ops::attention_forward(on_device(in, at::kBFloat16), c.spec).o.cpu();
    EXPECT_TRUE((o.select(2, 3) == 0).all().item<bool>());
    EXPECT_TRUE(o.isfinite().all().item<bool>());
  }
}

/// The operator's output lies in memory as the pass wrote it: no copy in float32 beside it.
TEST_F(TensorCores, WriteHalfPrecisionWhereNoGradientIsWanted) {
  Case c = usual();
  const ops::Inputs in = on_device(make_inputs(c), at::kBFloat16);
  ops::Spec half = c.spec;
  half.o_type = at::kBFloat16;
  const at::Tensor o = ops::attention_forward(in, half).o;
  EXPECT_EQ(o.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(same_bits(o.cpu(), ops::attention_forward(in, c.spec).o.cpu().to(at::kBFloat16)));
}

/// Sequences of like length are a batch, whose o goes into the packed one.
TEST_F(TensorCores, WriteHalfPrecisionOfPackedSequences) {
  for (const char* map : {"luna", "elu", "polaformer"}) {
    Case c = usual();
    c.spec.feature_map = map;
    c.spec.o_type = at::kBFloat16;
    c.shape.B = 1;
    c.begins = {0, 35, 70};
    const ops::Inputs in = on_device(make_inputs(c), at::kBFloat16);
    const at::Tensor o = ops::attention_forward(in, c.spec).o;
    EXPECT_EQ(o.scalar_type(), at::kBFloat16) << map;
    c.spec.o_type = at::kFloat;
    const at::Tensor wide = ops::attention_forward(in, c.spec).o;
    EXPECT_TRUE(same_bits(o.cpu(), wide.cpu().to(at::kBFloat16))) << map;
  }
}

/// The tokens' gradients are the same where the parameters' are not asked for.
TEST_F(TensorCores, GiveTokensGradientsWithoutParameters) {
  const Case c = usual();
  const ops::Inputs in = on_device(make_inputs(c), at::kBFloat16);
  const ops::PreparedMap map(c.spec.op(), in.params, c.spec);
  const kernels::Problem problem = ops::Call(in, c.spec, map, false).problem;
  const at::Tensor grad = make_grad(c).to(at::kBFloat16).to(fused_device());
  const kernels::Forward saved = kernels::forward(problem);
  kernels::Wanted tokens;
  tokens.params = false;
  const kernels::Backward all = kernels::backward(problem, saved, grad, {});
  const kernels::Backward some = kernels::backward(problem, saved, grad, tokens);
  EXPECT_TRUE(same_bits(some.q.cpu(), all.q.cpu()));
  EXPECT_TRUE(same_bits(some.k.cpu(), all.k.cpu()));
  EXPECT_FALSE(some.q_map.proj.defined());
}

/// float16 sums beyond its own range.
TEST_F(TensorCores, HoldSumsBeyondHalfPrecision) {
  Case c = usual();
  ops::Inputs in = make_inputs(c);
  in.v = in.v.sign() * 3e4;
  const kernels::Forward given = ops::attention_forward(on_device(in, at::kHalf), c.spec);
  EXPECT_GT(given.S.abs().max().item<float>(), 65504.0f);
  const at::Tensor exact = run_forward(rounded(in, at::kHalf), c.spec, Through::reference);
  EXPECT_LE(error(given.o.cpu(), exact).rms, 1e-3);
}

/// No sibling: another psi, a table beyond shared memory, or none built.
TEST_F(TensorCores, LeaveTheRestToHalide) {
  const auto tensor_kernels = [](const Case& c, at::ScalarType dtype) {
    ops::attention_forward(on_device(make_inputs(c), dtype), c.spec);
    return take_kernels().first;
  };
  Case c = usual();
  EXPECT_EQ(tensor_kernels(c, at::kBFloat16), 2);
  EXPECT_EQ(tensor_kernels(c, at::kFloat), 2);
  c.spec.psi = "dense";
  EXPECT_EQ(tensor_kernels(c, at::kBFloat16), 0);
  c = usual();
  c.shape.hid = 700;
  EXPECT_EQ(tensor_kernels(c, at::kBFloat16), 0);
}

/// Also where an earlier call has found them.
TEST_F(TensorCores, AreLeftWhereAPipelineIsHidden) {
  const Case c = usual();
  const auto tensor_kernels = [&] {
    ops::attention_forward(on_device(make_inputs(c), at::kBFloat16), c.spec);
    return take_kernels().first;
  };
  EXPECT_EQ(tensor_kernels(), 2);
  kernels::hide_pipelines(
      [](const std::string& name) { return name.rfind("kv_state_", 0) == 0 && is_sibling(name); });
  EXPECT_EQ(tensor_kernels(), 0);
  kernels::hide_pipelines({});
  EXPECT_EQ(tensor_kernels(), 2);
}

kernels::Pipeline find_without_siblings(const std::string& name, const kernels::cuda::About&) {
  return is_sibling(name) ? nullptr : kernels::find_pipeline(name);
}

/// Halide's pipelines, which define what the siblings compute: forward and backward.
TEST_P(TensorAccuracy, IsWhatHalidesPipelinesGive) {
  const auto& [c, dtype] = GetParam();
  const ops::Inputs in = on_device(rounded(make_inputs(c), dtype), dtype);
  const ops::PreparedMap map(c.spec.op(), in.params, c.spec);
  const kernels::Problem problem = ops::Call(in, c.spec, map, false).problem;
  const at::Tensor grad = make_grad(c).to(dtype).to(fused_device());
  const auto results = [&](const kernels::cuda::Backend& backend) {
    const kernels::Forward o = kernels::cuda::forward(backend, problem);
    const kernels::Backward d = kernels::cuda::backward(backend, problem, o, grad, {});
    std::vector<at::Tensor> all{o.o, d.q, d.k, d.v};
    for (at::Tensor& x : all) x = x.cpu();
    return all;
  };
  kernels::cuda::Backend backend = kernels::cuda::kDevice;
  const std::vector<at::Tensor> with = results(backend);
  take_ptx_counts();
  backend.find = &find_without_siblings;
  const std::vector<at::Tensor> without = results(backend);
  EXPECT_EQ(take_kernels().first, 0);
  EXPECT_LE(error(with[0], without[0]).rms, inside(dtype)) << describe(c);
  for (size_t i = 1; i < with.size(); ++i) {
    EXPECT_LE(error(with[i], without[i]).rms, outside(dtype)) << describe(c) << " " << i;
  }
}

}  // namespace
}  // namespace luna::test
