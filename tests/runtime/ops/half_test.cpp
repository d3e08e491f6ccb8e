// Half precision: bfloat16 and float16 storage, float32 inside. Every result against the float64
// reference on the rounded inputs.
#include <ATen/autocast_mode.h>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

constexpr double kLimit = 4e-3;  // rms, relative: bfloat16 itself rounds by 1.7e-3

ops::Inputs rounded(const ops::Inputs& given, at::ScalarType dtype) {
  ops::Inputs in = given;
  const auto round = [&](const at::Tensor& x) { return x.to(dtype).to(at::kFloat); };
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = round(*x);
  for (at::Tensor& param : in.params) param = round(param);
  return in;
}

class Half
    : public ::testing::TestWithParam<std::tuple<std::string, at::ScalarType, bool, int64_t>> {};

TEST_P(Half, IsTheReferenceOfTheRoundedInputs) {
  const auto& [map, dtype, causal, tokens] = GetParam();
  if (causal && map == "cosformer") return;
  Case c = small_case(map);
  c.shape.N = c.shape.Nq = tokens;
  c.shape.hid = 5;
  c.spec.causal = causal;
  c.spec.eps = 0.5;
  c.layout = Layout::tokens_first;
  const ops::Inputs in = rounded(make_inputs(c), dtype);
  const at::Tensor grad = make_grad(c).to(dtype).to(at::kFloat);
  const Result given = run(in, c.spec, grad, Through::fused, dtype);
  const Result exact = run(in, c.spec, grad, Through::reference, at::kDouble);
  const Result scale = run(in, c.spec, grad, Through::numerator, at::kDouble);
  for (size_t i = 0; i < given.names.size(); ++i) {
    EXPECT_EQ(given.tensors[i].scalar_type(), dtype) << given.names[i];
    EXPECT_LE(error(given.tensors[i], exact.tensors[i], scale.tensors[i]).rms, kLimit)
        << describe(c) << " " << given.names[i];
  }
}

std::vector<std::string> half_maps() {
  std::vector<std::string> names = fused_map_names();
  names.insert(names.begin(), "luna");
  return names;
}

/// On the CPU 37 tokens go feature by feature, 250 of LUNA's in segment form.
std::vector<int64_t> token_counts() {
  return fused_device().is_cpu() ? std::vector<int64_t>{37, 250} : std::vector<int64_t>{37};
}

INSTANTIATE_TEST_SUITE_P(Maps, Half,
                         ::testing::Combine(::testing::ValuesIn(half_maps()),
                                            ::testing::Values(at::kBFloat16, at::kHalf),
                                            ::testing::Bool(),
                                            ::testing::ValuesIn(token_counts())));

/// Gradients of q and k that are sums (through phi and an envelope, ch_rms or either polarity) are
/// float32's, rounded once; rounded part by part, every fourth number and more is another.
TEST(HalfPrecision, RoundsSumsOfGradientsOnce) {
  std::vector<Case> cases{small_case("polaformer")};
  const auto add_luna = [&](const char* envelope, double ch_rms_target) -> ops::Spec& {
    cases.push_back(small_case());
    cases.back().spec.envelope = envelope;
    cases.back().spec.ch_rms_target = ch_rms_target;
    return cases.back().spec;
  };
  for (const char* envelope : {"exp", "norm"}) {
    for (const char* psi : {"pwl", "dense"}) add_luna(envelope, 0).psi = psi;
    add_luna(envelope, 0).causal = true;
    cases.back().shape.Nq = cases.back().shape.N;
  }
  for (const char* psi : {"pwl", "dense"}) add_luna("none", 0.5).psi = psi;
  for (Case& c : cases) {
    c.spec.eps = 0.5;
    const ops::Inputs in = rounded(make_inputs(c), at::kBFloat16);
    const at::Tensor grad = make_grad(c).to(at::kBFloat16).to(at::kFloat);
    const Result half = run(in, c.spec, grad, Through::fused, at::kBFloat16);
    const Result wide = run(in, c.spec, grad, Through::fused, at::kFloat);
    for (size_t i = 0; i < half.names.size(); ++i) {
      if (half.names[i] != "dq" && half.names[i] != "dk") continue;
      const at::Tensor once = wide.tensors[i].to(at::kBFloat16);
      EXPECT_LE(half.tensors[i].ne(once).to(at::kFloat).mean().item<float>(), 0.02)
          << describe(c) << " " << half.names[i];
    }
  }
}

/// On the CPU, which computes in float32 whatever the tensors are: its numbers on the widened
/// tensors, rounded once. 2,100 tokens are several strips of the segment form.
TEST(HalfPrecision, IsFloat32RoundedOnce) {
  if (!fused_device().is_cpu()) GTEST_SKIP() << "CUDA multiplies 16 bits of half precision";
  std::vector<Case> cases{segment_case(), segment_case(), small_case("elu"), small_case("t2r")};
  cases[0].shape.N = cases[0].shape.Nq = 2100;
  for (size_t i = 1; i < cases.size(); ++i) cases[i].mask = MaskKind::random;
  for (Case& c : cases) {
    c.layout = Layout::tokens_first;
    for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
      const ops::Inputs in = rounded(make_inputs(c), dtype);
      const at::Tensor grad = make_grad(c).to(dtype).to(at::kFloat);
      const Result half = run(in, c.spec, grad, Through::fused, dtype);
      const Result wide = run(in, c.spec, grad, Through::fused, at::kFloat);
      for (size_t i = 0; i < half.names.size(); ++i) {
        EXPECT_TRUE(at::equal(half.tensors[i], wide.tensors[i].to(dtype)))
            << describe(c) << " " << half.names[i];
      }
    }
  }
}

TEST(HalfPrecision, KeepsFloat32ParametersAndTheirGradients) {
  Case c = small_case();
  ops::Inputs in = make_inputs(c);
  in = move_to(in, fused_device());
  const auto half = [](const at::Tensor& x) { return x.to(at::kBFloat16); };
  at::Tensor w1 = in.params[ops::kW1].clone().requires_grad_(true);
  const at::Tensor out =
      luna_attention(half(in.q), half(in.k), half(in.v),
                     {in.params[0], in.params[1], w1, in.params[3], in.params[4], in.params[5]});
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  out.sum().backward();
  EXPECT_EQ(w1.grad().scalar_type(), at::kFloat);
}

TEST(HalfPrecision, IsWhatAutocastAsksFor) {
  const ops::Inputs in = move_to(make_inputs(small_case("elu")), fused_device());
  const c10::DeviceType device = fused_device().type();
  at::autocast::set_autocast_enabled(device, true);
  const at::Tensor out = fixed_attention(in.q, in.k, in.v, "elu", {});
  at::autocast::set_autocast_enabled(device, false);
  at::autocast::clear_cache();
  EXPECT_EQ(out.scalar_type(), at::autocast::get_autocast_dtype(device));
  EXPECT_LE(error(out, fixed_attention(in.q, in.k, in.v, "elu", {})).rms, 1e-2);
}

}  // namespace
}  // namespace luna::test
