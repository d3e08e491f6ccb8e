// Evaluations where parameters or tokens are extreme, against float64, held to the accuracy bound.
#include "tests/support/compare.h"

namespace luna::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Extreme {
  const char* name;
  std::function<void(std::vector<at::Tensor>&)> change;
};

void PrintTo(const Extreme& extreme, std::ostream* out) { *out << extreme.name; }

const std::vector<Extreme> kExtremes{
    {"one_w1_zero", [](auto& p) { p[ops::kW1].flatten()[0] = 0.0; }},
    {"every_w1_zero", [](auto& p) { p[ops::kW1].zero_(), p[ops::kB1].abs_(), p[ops::kW2].abs_(); }},
    {"w1_and_b1_zero",
     [](auto& p) { p[ops::kW1].flatten()[1] = 0.0, p[ops::kB1].flatten()[1] = 0.0; }},
    {"equal_knots", [](auto& p) { p[ops::kB1].copy_(p[ops::kW1] * -0.40625); }},
    {"knots_in_pairs",
     [](auto& p) {
       at::Tensor w1 = p[ops::kW1].flatten(), b1 = p[ops::kB1].flatten();
       w1[3] = -2.0 * w1[2];
       b1[3] = -2.0 * b1[2];
     }},
    {"huge_w1", [](auto& p) { p[ops::kW1].mul_(1e12), p[ops::kW2].mul_(1e-12); }},
    {"tiny_w1", [](auto& p) { p[ops::kW1].mul_(1e-12); }},
    {"huge_b1", [](auto& p) { p[ops::kB1].mul_(1e4), p[ops::kW2].mul_(1e-4); }},
    {"huge_beside_tiny",
     [](auto& p) {
       p[ops::kW1].flatten()[0] = -1e6;  // active for t < 0 alone
       p[ops::kB1].flatten()[0] = 0.0;
     }},
    {"knots_beyond_float",
     [](auto& p) {
       p[ops::kW1].flatten()[0] = 1e-30, p[ops::kB1].flatten()[0] = 1e15;
       p[ops::kW2].mul_(1e-15);
     }},
    {"large_output", [](auto& p) { p[ops::kW2].mul_(1e8), p[ops::kB2].mul_(1e8); }},
};

class PwlExtreme : public ::testing::TestWithParam<std::tuple<Extreme, bool>> {};

TEST_P(PwlExtreme, StaysWithinTheBoundAsDenseDoes) {
  const auto& [extreme, separate] = GetParam();
  Case c = small_case();
  c.separate = separate;
  c.spec.feature_eps = 1e-2;  // no query hangs on one small feature, whose rounding would decide
  ops::Inputs in = make_inputs(c);
  extreme.change(in.params);
  for (const auto& [psi, activation] :
       {std::pair{"pwl", "relu"}, {"dense", "relu"}, {"pwl", "leaky_relu"}, {"pwl", "hardtanh"}}) {
    c.spec.psi = psi;
    c.spec.activation = activation;
    redraw_tokens(c, in);
    expect_within_bounds(run_all(in, c.spec, make_grad(c)),
                         c10::str(psi, " ", activation, " ", extreme.name));
  }
}

/// Of infinite parameters: biases as the MLP has them; w1 and w2 spoil what they have a part in,
/// also where ReLU would cut it off.
TEST(PwlInfinite, BiasesAreTheMlpsAndWeightsSpoilTheirChannels) {
  for (const Case& base : {small_case(), segment_case()}) {
    for (const char* activation : {"relu", "leaky_relu", "hardtanh"}) {
      Case c = base;
      c.spec.activation = activation;
      const auto out = [&](ops::LunaParam which, double value, Through through) {
        ops::Inputs in = make_inputs(c);
        in.params[ops::kW2].select(1, 0).fill_(-0.5);  // of a unit that leaky_relu may cut off
        in.params[which].flatten()[0] = value;
        return run_forward(in, c.spec, through);
      };
      for (const ops::LunaParam bias : {ops::kB1, ops::kB2}) {
        for (const double value : {-kInfinity, kInfinity}) {
          const at::Tensor given = out(bias, value, Through::fused);
          const at::Tensor mlp = out(bias, value, Through::reference);
          EXPECT_TRUE(given.isfinite().equal(mlp.isfinite())) << activation << bias << value;
          EXPECT_TRUE(at::allclose(given, mlp, 1e-3, 1e-4, /*equal_nan=*/true))
              << activation << bias << value;
        }
      }
      for (const ops::LunaParam weight : {ops::kW1, ops::kW2}) {
        const at::Tensor given = out(weight, -kInfinity, Through::fused);
        EXPECT_TRUE(given.isnan().all().item<bool>()) << activation << weight;
      }
    }
    Case deep = base;
    deep.spec = small_case("luna-deep").spec;
    ops::Inputs in = make_inputs(deep), without = in;
    in.params[5] = in.params[5].clone();
    in.params[5][0] = -kInfinity;
    without.params[6] = in.params[6].clone();
    without.params[6].select(1, 0).zero_();
    EXPECT_TRUE(at::allclose(run_forward(in, deep.spec, Through::fused),
                             run_forward(without, deep.spec, Through::fused), 1e-5, 1e-6));
  }
}

/// psi(t) = max(w2 max(w1 t + 1, 0), 0) of one token where t = x is infinite: dense features are
/// NaN, pwl's NaN or the limit.
TEST(PwlInfinite, ArgumentsGiveNanOrTheLimit) {
  const auto out = [](double w1, double w2, double x, const char* psi) {
    ops::Spec spec;
    spec.psi = psi;
    const at::Tensor one = at::ones({1, 1, 1, 1});
    const std::vector<at::Tensor> params{at::ones({1, 1}), at::zeros({1}),       at::full({1}, w1),
                                         at::ones({1}),    at::full({1, 1}, w2), at::zeros({1})};
    return run_forward({one * x, one, one, params, {}}, spec, Through::fused).item<double>();
  };
  for (const double rise : {1.0, -1.0}) {
    for (const char* psi : {"dense", "pwl"}) {
      EXPECT_TRUE(std::isnan(out(rise, 1.0, rise * kInfinity, psi))) << psi;   // inf / inf
      EXPECT_TRUE(std::isnan(out(rise, 1.0, -rise * kInfinity, psi))) << psi;  // flat: 0 inf
    }
    EXPECT_TRUE(std::isnan(out(rise, -1.0, rise * kInfinity, "dense")));
    const double cut = out(rise, -1.0, rise * kInfinity, "pwl");  // nonneg's 0
    EXPECT_TRUE(std::isnan(cut) || cut == 0.0) << cut;
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Extreme, bool>>& info) {
  return std::string(std::get<0>(info.param).name) +
         (std::get<1>(info.param) ? "_separate" : "_shared");
}

INSTANTIATE_TEST_SUITE_P(Parameters, PwlExtreme,
                         ::testing::Combine(::testing::ValuesIn(kExtremes), ::testing::Bool()),
                         name_of);

/// Like values of all tokens in one segment: float32 sums would drift with their number.
TEST(SegmentSums, OfLikeValuesDoNotDrift) {
  Case c = segment_case();
  c.shape.B = 1;
  c.shape.H = c.shape.Hk = 8;  // as many heads as it takes for tasks of all 4096 tokens
  c.shape.N = c.shape.Nq = 4096;
  ops::Inputs in = make_inputs(c);
  in.params[ops::kProjBias].fill_(4.0);
  for (const auto k : {ops::kW1, ops::kB1, ops::kW2, ops::kB2}) in.params[k].abs_();
  in.v = at::full_like(in.v, 0.1);
  expect_within_bounds(run_all(in, c.spec, make_grad(c)), "values of 0.1 in one segment");
}

/// FAVOR+ of long tokens, whose exponentials are far below eps: their gradients keep their digits
/// but for what rounding takes of exponents of some 30.
TEST(Performer, GradientsOfExponentialsBelowEps) {
  for (const char* name : {"performer", "performer:hyperbolic"}) {
    for (const int64_t d : {64, 128}) {
      Case c = small_case(name);
      c.shape = {1, 2, 1, 40, 70, d, 8, 24, 1, 1};
      ops::Inputs in = make_inputs(c);
      in.q = in.q * 2.0;
      in.k = in.k * 2.0;
      const Runs runs = run_all(in, c.spec, make_grad(c));
      for (const size_t k : {1, 2}) {  // dq, dk
        const at::Tensor& scale = runs.scale.tensors[k];
        EXPECT_LE(error(runs.fused.tensors[k], runs.exact.tensors[k], scale).rms, 2e-5)
            << describe(c) << " gradient " << k;
      }
    }
  }
}

}  // namespace
}  // namespace luna::test
