// psi's evaluations where its parameters are extreme, against float64, held to the accuracy bound.
#include "tests/support/compare.h"

namespace luna::test {
namespace {

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

std::string name_of(const ::testing::TestParamInfo<std::tuple<Extreme, bool>>& info) {
  return std::string(std::get<0>(info.param).name) +
         (std::get<1>(info.param) ? "_separate" : "_shared");
}

INSTANTIATE_TEST_SUITE_P(Parameters, PwlExtreme,
                         ::testing::Combine(::testing::ValuesIn(kExtremes), ::testing::Bool()),
                         name_of);

}  // namespace
}  // namespace luna::test
