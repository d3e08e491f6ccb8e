// Every fixed map of the oracle against a second writing of its attention, its gradients against
// finite differences, and the order of its features.
#include "runtime/ops/fixed_maps.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "runtime/luna.h"
#include "runtime/ops/reference.h"
#include "tests/runtime/ops/literal.h"
#include "tests/runtime/ops/map_cases.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

class FixedMaps : public ::testing::TestWithParam<Case> {};

TEST_P(FixedMaps, EqualTheSecondWriting) {
  const ops::Inputs in = in_double(make_inputs(GetParam()));
  const at::Tensor given = ops::reference_attention(in, GetParam().spec);
  const at::Tensor expected = Literal(in, GetParam().spec).attention(in);
  EXPECT_TRUE(at::allclose(given, expected, 1e-10, 1e-12)) << describe(GetParam());
}

/// The stabilisers stay those of the unmoved inputs: they are constants to the gradient.
TEST_P(FixedMaps, GradientsEqualFiniteDifferences) {
  const Case& c = GetParam();
  ops::Inputs in = in_double(make_inputs(c));
  const at::Tensor grad = make_grad(c).to(at::kDouble);
  const Literal literal(in, c.spec);
  const Result result = run(in, c.spec, grad, Through::reference, at::kDouble);
  std::vector<at::Tensor*> leaves{&in.q, &in.k, &in.v};
  const auto& rows = ops::find_fixed_map(c.spec.feature_map).params();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == ops::ParamKind::trained) leaves.push_back(&in.params[i]);
  }
  ASSERT_EQ(result.tensors.size(), leaves.size() + 1);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const at::Tensor direction = at::randn_like(*leaves[i]), original = leaves[i]->clone();
    const auto loss = [&](double step) {
      *leaves[i] = original + step * direction;
      return (literal.attention(in) * grad).sum().item<double>();
    };
    constexpr double kStep = 1e-6;
    const double difference = (loss(kStep) - loss(-kStep)) / (2 * kStep);
    *leaves[i] = original;
    const double expected = (result.tensors[i + 1] * direction).sum().item<double>();
    EXPECT_NEAR(difference, expected, 2e-5 * std::max(1.0, std::abs(expected)))
        << result.names[i + 1] << " " << describe(c);
  }
}

/// The derivative of <gradient, direction> against finite differences of the gradient, where no
/// stabiliser makes the gradient depend on what it takes as constant.
TEST_P(FixedMaps, AreDifferentiableTwice) {
  const Case& c = GetParam();
  ops::Inputs in = in_double(make_inputs(c));
  const at::Tensor grad = make_grad(c).to(at::kDouble), q = in.q;
  const at::Tensor one = at::randn_like(q), other = at::randn_like(q);
  const auto gradient = [&](const at::Tensor& at_q, bool again) {
    in.q = at_q.detach().requires_grad_(true);
    const at::Tensor out = ops::reference_attention(in, c.spec);
    return torch::autograd::grad({out}, {in.q}, {grad}, {}, again)[0];
  };
  const at::Tensor first = (gradient(q, true) * one).sum();
  const at::Tensor second = torch::autograd::grad({first}, {in.q})[0];
  ASSERT_TRUE(second.isfinite().all().item<bool>());
  const std::string& map = c.spec.feature_map;
  if (map.rfind("performer", 0) == 0 || map == "rff:norm") return;
  constexpr double kStep = 1e-6;
  const at::Tensor difference =
      (gradient(q + kStep * other, false) - gradient(q - kStep * other, false)) / (2 * kStep);
  const double expected = (difference * one).sum().item<double>();
  EXPECT_NEAR((second * other).sum().item<double>(), expected,
              1e-4 * std::max(1.0, std::abs(expected)))
      << describe(c);
}

INSTANTIATE_TEST_SUITE_P(Modes, FixedMaps, ::testing::ValuesIn(map_cases()));

/// phi of the token (a, b), the second of two.
Row features_of(const std::string& name, double a, double b,
                const std::vector<at::Tensor>& params) {
  const ops::NamedMap map = ops::find_fixed_map(name);
  ops::MapContext context;
  context.params = params;
  context.option = map.option;
  context.length = 2;
  const at::Tensor x = at::tensor({0.0, 0.0, a, b}, at::kDouble).view({1, 1, 2, 2});
  const at::Tensor phi = ops::map_features(map, x, context)[0][0][1].contiguous();
  EXPECT_EQ(ops::feature_count(map, 2, params), phi.size(0)) << name;
  return {phi.const_data_ptr<double>(), phi.const_data_ptr<double>() + phi.numel()};
}

void expect_row(const Row& given, const Row& expected, const std::string& name) {
  ASSERT_EQ(given.size(), expected.size()) << name;
  for (size_t i = 0; i < given.size(); ++i) EXPECT_NEAR(given[i], expected[i], 1e-12) << name << i;
}

/// The order in which kernels and states that outlive a call hold them.
TEST(FeatureOrder, IsTheDocumentedOne) {
  constexpr double a = 0.5, b = -2, c = 0.25, s = 0.84089641525371454303;  // s = 2^-1/4
  const at::Tensor w = at::tensor({1.0, 0.0, 0.0, 1.0}, at::kDouble).view({2, 2});
  const at::Tensor zero = at::zeros({2}, at::kDouble), one = at::ones({2}, at::kDouble);
  const double r = std::sqrt(0.5), n = std::sqrt(a * a + b * b);
  expect_row(features_of("rff", a, b, {w}),
             {r * std::cos(s * a), r * std::cos(s * b), r * std::sin(s * a), r * std::sin(s * b)},
             "rff");
  expect_row(features_of("rfa", a, b, {w, one}),
             {r * std::sin(a / n), r * std::sin(b / n), r * std::cos(a / n), r * std::cos(b / n)},
             "rfa");
  expect_row(features_of("cosformer:4", a, c, {}), {a * r, c * r, a * r, c * r}, "cosformer");
  expect_row(features_of("cosformer", a, c, {}), {a, c, 0, 0}, "cosformer");
  expect_row(features_of("dpfp:2", a, b, {}), {0, 0, 0, -a * b, 0, 0, 0, 0}, "dpfp");
  expect_row(features_of("dpfp", a, c, {}), {a * c, 0, 0, 0}, "dpfp");
  expect_row(features_of("taylor2", a, b, {}),
             {1, s * a, s * b, s * s * a * a * r, s * s * b * b * r, s * s * a * b}, "taylor2");
  expect_row(features_of("hedgehog:exp", a, b, {w, one}),
             {std::exp(a + 1), std::exp(b + 1), std::exp(-a - 1), std::exp(-b - 1)}, "hedgehog");
  expect_row(features_of("polaformer", a, b, {zero}), {a * a * a, 0, 0, 8}, "polaformer");
  const at::Tensor knots = at::tensor({-1.0, 0.0, 2.0}, at::kDouble);
  const at::Tensor values = at::tensor({4.0, 0.0, 4.0, 1.0, 1.0, -3.0}, at::kDouble).view({2, 3});
  expect_row(features_of("luna-spline", a, b, {w, zero, knots, values}), {r, 0, 8 * r, r},
             "luna-spline");
  const double h = s * s * (a * a + b * b) / 2, M = s * 2;  // the largest |w x|
  const auto e = [&](double t) { return (std::exp(t - h - M) + 1e-4) / 2; };
  expect_row(features_of("performer:hyperbolic", a, b, {w}),
             {e(s * a), e(s * b), e(-s * a), e(-s * b)}, "performer");
}

TEST(PolaFormer, HasNoGradientWhereACoordinateIsZero) {
  const at::Tensor x = at::tensor({0.0, 2.0, -0.0, -3.0}, at::kDouble).view({1, 1, 1, 4});
  const at::Tensor power = at::tensor({0.0, 0.5, -30.0, 1.0}, at::kDouble);
  const at::Tensor leaf = x.clone().requires_grad_(true);
  const at::Tensor p = power.clone().requires_grad_(true);
  ops::MapContext context;
  context.params = {p};
  const at::Tensor phi = ops::map_features(ops::find_fixed_map("polaformer"), leaf, context);
  const auto grads = torch::autograd::grad({phi.sum()}, {leaf, p}, {}, {}, true);
  for (const at::Tensor& grad : grads) {
    EXPECT_TRUE(grad.isfinite().all().item<bool>());
    EXPECT_TRUE(grad.eq(0).flatten().to(at::kLong).equal(at::tensor({1, 0, 1, 0}, at::kLong)));
  }
  const at::Tensor second =
      torch::autograd::grad({grads[0].sum() + grads[1].sum()}, {leaf, p})[0].flatten();
  EXPECT_TRUE(second.isfinite().all().item<bool>());
  EXPECT_EQ(second[0].item<double>(), 0);
  ops::MapContext plain;
  plain.params = {power};
  const at::Tensor nan = ops::map_features(ops::find_fixed_map("polaformer"), x * NAN, plain);
  EXPECT_TRUE(nan.isnan().all().item<bool>());
}

TEST(Rfa, ZeroHasNoDirectionAndNoGradient) {
  const at::Tensor x = at::zeros({1, 1, 1, 2}, at::kDouble).requires_grad_(true);
  ops::MapContext context;
  context.params = {at::ones({3, 2}, at::kDouble), at::ones({2}, at::kDouble)};
  const at::Tensor phi = ops::map_features(ops::find_fixed_map("rfa"), x, context);
  EXPECT_TRUE(phi[0][0][0].narrow(0, 0, 3).eq(0).all().item<bool>());
  const at::Tensor first = torch::autograd::grad({phi.sum()}, {x}, {}, {}, true)[0];
  const at::Tensor second = torch::autograd::grad({first.sum()}, {x})[0];
  EXPECT_EQ(first.abs().max().item<double>(), 0);
  EXPECT_EQ(second.abs().max().item<double>(), 0);
}

/// Unbiased: the mean over many features nears exp(q k/sqrt(d)) or exp(-|q - k|^2/(2 sqrt(d))).
TEST(RandomFeatures, ApproximateTheirKernels) {
  at::manual_seed(3);
  const int64_t d = 8;
  const at::Tensor q = at::randn({1, 1, 6, d}, at::kDouble) * 0.7;
  const at::Tensor k = at::randn({1, 1, 5, d}, at::kDouble) * 0.7;
  const double root_d = std::sqrt(static_cast<double>(d));
  const at::Tensor softmax = (at::matmul(q, k.transpose(-1, -2)) / root_d).exp();
  const at::Tensor gauss =
      ((q.unsqueeze(3) - k.unsqueeze(2)).square().sum(-1) * (-0.5 / root_d)).exp();
  const auto kernel = [&](const std::string& name) {
    const ops::NamedMap map = ops::find_fixed_map(name);
    ops::MapContext context;
    context.option = map.option;
    context.params = {draw_feature_map(name, 1 << 15, d)[0].to(at::kDouble)};
    const at::Tensor phi_q = ops::map_features(map, q, context);
    context.side = ops::Side::key;
    return at::matmul(phi_q, ops::map_features(map, k, context).transpose(-1, -2));
  };
  // Row sums of one: what the queries' stabilisers leave.
  const auto rows = [](const at::Tensor& x) { return x / x.sum(-1, true); };
  EXPECT_LE(error(kernel("rff"), gauss).max, 0.02);
  EXPECT_LE(error(rows(kernel("rff:norm")), rows(softmax)).max, 0.05);
  EXPECT_LE(error(rows(kernel("performer")), rows(softmax)).max, 0.1);
  EXPECT_LE(error(rows(kernel("performer:hyperbolic")), rows(softmax)).max, 0.1);
}

/// An angle of which float32 has no digit left is still one angle or another.
TEST(Fourier, FeaturesOfHugeTokensStayCosines) {
  at::manual_seed(6);
  const std::vector<at::Tensor> params = draw_feature_map("rff", 8, 16);
  const at::Tensor x = at::randn({1, 1, 1, 16}), one = at::ones({1, 1, 1, 1});
  for (const double size : {1e5, 1e8, 1e12, 1e30}) {
    const at::Tensor phi = fixed_prefill(x * size, x * size, one, "rff", params).state;
    EXPECT_LE(phi.abs().max().item<double>(), 1 / std::sqrt(8.0) + 1e-6) << size << phi;
  }
}

/// FAVOR+'s keys are summed while their M is still unknown: where it grows from token to token, by
/// far more than float32's range, falls, or is that of tokens that are masked.
TEST(Performer, StateIsThatOfTheLargestProjectionWhereverItIs) {
  at::manual_seed(4);
  const int64_t N = 2500, d = 8;
  const std::vector<at::Tensor> params = draw_feature_map("performer", 16, d);
  const at::Tensor ramp = at::linspace(0.0, 1.0, N).unsqueeze(1);
  const at::Tensor q = at::randn({1, 2, 40, d}), v = at::randn({1, 2, N, 6});
  for (const double size : {0.1, 4.0, 60.0}) {
    for (const bool grows : {true, false}) {
      for (const int64_t first : {0, 130, 2499}) {
        const at::Tensor k = at::randn({1, 2, N, d}) * size * (grows ? ramp : 1 - ramp);
        AttentionOptions options;
        options.key_mask = at::arange(N).ge(first).unsqueeze(0);
        ops::Inputs in{q, k, v, params, options.key_mask};
        const at::Tensor given = fixed_attention(q, k, v, "performer", params, options);
        ops::Spec spec;
        spec.feature_map = "performer";
        const at::Tensor expected = ops::reference_attention(in_double(in), spec);
        EXPECT_LE(error(given, expected).max, 1e-5) << size << grows << first;
      }
    }
  }
}

/// The backward pass finds M once more; another one by a rounding would show in dk and dv.
TEST(Performer, GradientsAreThoseOfTheSameMaximum) {
  for (const bool grows : {true, false}) {
    Case c = small_case("performer");
    c.shape = {1, 2, 1, 40, 2500, 64, 8, 24, 1, 1};
    ops::Inputs in = make_inputs(c);
    const at::Tensor ramp = at::linspace(grows ? 0.0 : 1.0, grows ? 1.0 : 0.0, 2500).unsqueeze(1);
    in.k = in.k * ramp;
    expect_within_bounds(run_all(in, c.spec, make_grad(c)), grows ? "growing" : "falling");
  }
}

/// As in the formula, whose features are eps at least: a NaN key spoils everything, an infinite
/// value its own column, however small the token's features are beside later ones.
TEST(Performer, NanAndInfinityOfAnEarlyTokenStay) {
  at::manual_seed(5);
  const std::vector<at::Tensor> params = draw_feature_map("performer", 16, 8);
  const at::Tensor q = at::randn({1, 1, 4, 8}), v = at::randn({1, 1, 2500, 6});
  at::Tensor k = at::randn({1, 1, 2500, 8});
  k.select(2, 3).zero_();
  for (const int later : {500, 2000}) k.select(2, later).fill_(0.2 * later);  // own slot, next
  at::Tensor infinite = v.clone();
  infinite.select(2, 3).select(2, 1).fill_(INFINITY);
  const at::Tensor out = fixed_attention(q, k, infinite, "performer", params);
  EXPECT_TRUE(out.select(3, 1).isposinf().all().item<bool>()) << out;
  EXPECT_EQ(out.isfinite().sum().item<int64_t>(), 4 * 5);
  k.select(2, 3).select(2, 0).fill_(NAN);
  EXPECT_TRUE(fixed_attention(q, k, v, "performer", params).isnan().all().item<bool>());
}

}  // namespace
}  // namespace luna::test
