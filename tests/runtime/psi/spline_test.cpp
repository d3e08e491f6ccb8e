// The table of splines against their definition.
#include "runtime/psi/spline.h"

#include <gtest/gtest.h>

#include "tests/runtime/ops/literal_psi.h"
#include "tests/runtime/psi/tables.h"
#include "tests/support/torch_error.h"

namespace luna::psi {
namespace {

struct Values {
  at::Tensor knots, values;
};

rc::Gen<Values> splines() {
  return rc::gen::exec([] {
    const auto K = *rc::gen::inRange<int64_t>(2, 12), L = *rc::gen::inRange<int64_t>(1, 6);
    const auto steps =
        *rc::gen::container<std::vector<int>>(static_cast<size_t>(K), rc::gen::inRange(1, 900));
    const auto values =
        *rc::gen::container<std::vector<float>>(static_cast<size_t>(L * K), weight());
    return Values{at::tensor(steps).to(at::kFloat).cumsum(0) / 700.0f - 3.0f,
                  at::tensor(values).reshape({L, K})};
  });
}

std::vector<double> literal(const Values& s, double t) {
  return test::literal_psi("luna-spline", t,
                           {{}, {}, s.knots.to(at::kDouble), s.values.to(at::kDouble)});
}

TEST(Spline, EqualsItsDefinitionEverywhere) {
  EXPECT_TRUE(rc::check([] {
    const Values s = *splines();
    const HostTable table(Spline("op", s.knots, s.values).table());
    const double step = s.knots.diff().min().item<double>();
    for (const float t : probes(table)) {
      const std::vector<double> expected = literal(s, t);
      for (int64_t l = 0; l < table.L; ++l) {
        const double size = s.values[l].abs().max().item<double>() * (8.0 + std::abs(t)) / step;
        RC_ASSERT(std::abs(value(table, t, l) - expected[l]) <= 1e-14 * size);
      }
    }
  }));
}

TEST(Spline, HasItsValuesAtItsKnots) {
  const at::Tensor knots = at::tensor({-2.0f, -1.0f, 0.5f, 3.0f});
  const at::Tensor values = at::tensor({1.0f, 4.0f, -2.0f, 0.5f}).view({1, 4});
  const HostTable table(Spline("op", knots, values).table());
  EXPECT_EQ(table.knots, (std::vector<float>{-1.0f, 0.5f}));
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT_DOUBLE_EQ(value(table, knots[k].item<float>(), 0), values[0][k].item<float>());
  }
  EXPECT_DOUBLE_EQ(value(table, -3.0f, 0), -2.0);  // the outer segments go on
  EXPECT_DOUBLE_EQ(value(table, 5.5f, 0), 3.0);
}

/// psi is linear in its values: the gradient of one is psi with that value alone, 1.
TEST(Spline, GradientEqualsTheSumOverSamples) {
  EXPECT_TRUE(rc::check([] {
    const Values s = *splines();
    const Spline spline("op", s.knots, s.values);
    const int64_t L = s.values.size(0), K = s.knots.size(0);
    const HostTable table(spline.table());
    LineSums sums(table);
    std::vector<double> expected(L * K);
    for (const float t : {0.61f, -0.83f, 1.9f, -2.7f, 0.013f, 5.5f, -31.0f, -2.0f}) {
      const auto share = literal({s.knots, at::eye(K)}, t);  // [K]
      for (int64_t l = 0; l < L; ++l) {
        const double g = std::sin(t + static_cast<double>(l));
        sums.add(segment(table, t), l, t, g);
        for (int64_t k = 0; k < K; ++k) expected[l * K + k] += g * share[k];
      }
    }
    const std::vector<at::Tensor> grads = spline.unfold(sums.lines);
    RC_ASSERT(!grads[0].defined());
    const std::vector<double> given = to_host(grads[1]);
    const double step = s.knots.diff().min().item<double>();
    for (size_t i = 0; i < expected.size(); ++i) {
      RC_ASSERT(std::abs(given[i] - expected[i]) <= 1e-12 / step);
    }
  }));
}

TEST(Spline, AValueThatIsNotFiniteSpoilsItsChannelAlone) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    at::Tensor values = at::ones({3, 5});
    values[1][4] = bad;
    const HostTable table(Spline("op", at::arange(5).to(at::kFloat), values).table());
    for (int64_t s = 0; s < table.segments(); ++s) {
      for (int64_t l = 0; l < 3; ++l) EXPECT_EQ(std::isnan(line(table, s, l).offset), l == 1);
    }
  }
}

TEST(Spline, SaysWhichKnotsItTakes) {
  const auto error = [](const std::vector<float>& knots) {
    const at::Tensor x = at::tensor(knots);
    return test::torch_error_of([&] { Spline("op", x, at::ones({2, x.size(0)})); });
  };
  EXPECT_EQ(error({-1.0f, 0.0f}), "no error");
  EXPECT_EQ(error({-1.0f, 2.0f, 1.0f}),
            "op: luna-spline's knots must rise strictly, got 1 behind 2.");
  EXPECT_EQ(error({1.0f, 1.0f}), "op: luna-spline's knots must rise strictly, got 1 behind 1.");
  EXPECT_EQ(error({0.0f, NAN}), "op: luna-spline's knots must be finite, got nan.");
  EXPECT_EQ(error({0.0f, INFINITY}), "op: luna-spline's knots must be finite, got inf.");
}

}  // namespace
}  // namespace luna::psi
