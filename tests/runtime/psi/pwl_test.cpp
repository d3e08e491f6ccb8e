// The piecewise-linear table against the MLP it stands for, on random weights with ties, zeros and
// extremes.
#include "runtime/psi/pwl.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

namespace luna::psi {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Mlp {
  int64_t L, hid;
  bool separate;
  std::vector<float> w1, b1, w2, b2;

  Weights weights() const {
    const std::vector<int64_t> units =
        separate ? std::vector<int64_t>{L, hid} : std::vector<int64_t>{hid};
    const auto tensor = [](const std::vector<float>& x, const std::vector<int64_t>& shape) {
      return at::tensor(x).reshape(shape);
    };
    return {tensor(w1, units), tensor(b1, units), tensor(w2, {L, hid}), tensor(b2, {L})};
  }
};

/// How RapidCheck prints a counterexample.
void showValue(const Mlp& m, std::ostream& out) {
  out << "L " << m.L << ", hid " << m.hid << (m.separate ? ", separate" : ", shared");
  const auto list = [&](const char* name, const std::vector<float>& values) {
    out << "\n" << name << ":" << std::hexfloat;
    for (const float value : values) out << " " << value;
  };
  list("w1", m.w1);
  list("b1", m.b1);
  list("w2", m.w2);
  list("b2", m.b2);
}

/// Weights of very different sizes, with zeros and repeats, so that knots coincide, vanish and
/// overflow.
rc::Gen<float> weight() {
  return rc::gen::weightedOneOf<float>({
      {6, rc::gen::map(rc::gen::inRange(-3000, 3001),
                       [](int x) { return static_cast<float>(x) / 1000.0f; })},
      {3, rc::gen::element(0.0f, 1.0f, -1.0f, 2.0f, -2.0f)},
      {1, rc::gen::element(1e-30f, -1e-30f, 1e-42f, 1e8f, -1e8f)},
  });
}

rc::Gen<Mlp> mlp() {
  return rc::gen::exec([] {
    Mlp m;
    m.L = *rc::gen::inRange<int64_t>(1, 6);
    m.hid = *rc::gen::inRange<int64_t>(1, 20);
    m.separate = *rc::gen::arbitrary<bool>();
    const auto many = [](int64_t n) {
      return *rc::gen::container<std::vector<float>>(static_cast<size_t>(n), weight());
    };
    const int64_t units = m.separate ? m.L * m.hid : m.hid;
    m.w1 = many(units);
    m.b1 = many(units);
    m.w2 = many(m.L * m.hid);
    m.b2 = many(m.L);
    return m;
  });
}

/// psi_l(t) by its definition, and the sum of the sizes of its terms, which scales the rounding
/// error. A unit within rounding of its knot counts with its size whichever side it falls on.
std::pair<double, double> direct(const Weights& w, int64_t l, double t) {
  double value = w.b2[l], size = std::abs(w.b2[l]);
  for (int64_t u = 0; u < w.units; ++u) {
    if (l < w.first_channel(u) || l >= w.last_channel(u)) continue;
    const double w2 = w.w2[w.w2_index(l, u)], pre = w.w1[u] * t + w.b1[u];
    const double terms = std::abs(w.w1[u] * t) + std::abs(w.b1[u]);
    if (pre > 0) value += w2 * pre;
    if (pre > -1e-15 * terms) size += std::abs(w2) * terms;
  }
  return {value, size};
}

int64_t segment(const Pwl& pwl, float t) {
  return std::upper_bound(pwl.knots().begin(), pwl.knots().end(), t) - pwl.knots().begin();
}

/// Points where a mistake would show: on and beside every knot, between knots, far out.
std::vector<float> probes(const Pwl& pwl) {
  std::vector<float> points{0.0f, -1.0f, 1.0f, 1e-20f, 1e4f, -1e4f};
  for (const float knot : pwl.knots()) {
    if (!std::isfinite(knot) || std::abs(knot) > 1e30f) continue;
    points.insert(points.end(), {knot, std::nextafter(knot, -INFINITY),
                                 std::nextafter(knot, INFINITY), knot + 0.37f, knot - 0.37f});
  }
  return points;
}

TEST(Pwl, EqualsTheMlpEverywhere) {
  EXPECT_TRUE(rc::check([] {
    const Mlp m = *mlp().as("psi");
    const Pwl pwl(m.weights());
    for (const float t : probes(pwl)) {
      const int64_t s = segment(pwl, t);
      for (int64_t l = 0; l < m.L; ++l) {
        const auto [expected, size] = direct(pwl.weights(), l, t);
        RC_ASSERT(std::abs(pwl.slope(s, l) * t + pwl.intercept(s, l) - expected) <= 1e-13 * size);
      }
    }
  }));
}

TEST(Pwl, KnotsAscendAndConstantUnitsHaveNone) {
  EXPECT_TRUE(rc::check([] {
    const Mlp m = *mlp().as("psi");
    const Pwl pwl(m.weights());
    RC_ASSERT(std::is_sorted(pwl.knots().begin(), pwl.knots().end()));
    const auto moving = std::count_if(m.w1.begin(), m.w1.end(), [](float w) { return w != 0.0f; });
    RC_ASSERT(static_cast<int64_t>(pwl.knots().size()) == moving);
  }));
}

/// Gradients from segment sums equal the sums over samples taken one by one.
TEST(Pwl, GradientEqualsTheSumOverSamples) {
  EXPECT_TRUE(rc::check([] {
    const Mlp m = *mlp().as("psi");
    const Pwl pwl(m.weights());
    const Weights& w = pwl.weights();
    Fold fold;
    for (int64_t l = 0; l < m.L; ++l) fold.scale.push_back(0.5 + 0.25 * static_cast<double>(l));
    Gradient expected(w), size(w), given(w);
    kernels::MapGrads sums;
    sums.g0 = at::zeros({pwl.segments(), m.L}, at::kDouble);
    sums.g1 = at::zeros({pwl.segments(), m.L}, at::kDouble);
    const std::vector<float> samples{0.61f, -0.83f, 1.9f, -2.7f, 0.013f, 5.5f, -31.0f};
    for (size_t i = 0; i < samples.size(); ++i) {
      const double t = samples[i];
      const int64_t s = segment(pwl, samples[i]);
      for (int64_t l = 0; l < m.L; ++l) {
        const double g = std::sin(1.0 + static_cast<double>(i) + 3.0 * static_cast<double>(l));
        sums.g0[s][l] += g;
        sums.g1[s][l] += g * t;
        expected.scale[l] += g * direct(w, l, t).first;
        size.scale[l] += direct(w, l, t).second;
        const double scaled = g * fold.scale[l];
        expected.b2[l] += scaled;
        size.b2[l] += std::abs(scaled);
        for (int64_t u = 0; u < w.units; ++u) {
          if (l < w.first_channel(u) || l >= w.last_channel(u)) continue;
          const int64_t index = w.w2_index(l, u);
          // Active as the segments see it: at or right of the knot for w1 > 0, left of it for w1 <
          // 0.
          const double pre = w.w1[u] * t + w.b1[u];
          if (!(pre > 0)) continue;
          expected.w2[index] += scaled * pre;
          expected.w1[u] += scaled * w.w2[index] * t;
          expected.b1[u] += scaled * w.w2[index];
          size.w2[index] += std::abs(scaled) * (std::abs(w.w1[u] * t) + std::abs(w.b1[u]));
          size.w1[u] += std::abs(scaled * w.w2[index] * t);
          size.b1[u] += std::abs(scaled * w.w2[index]);
        }
      }
    }
    pwl.unfold(fold, sums, given);
    const auto close = [](const std::vector<double>& a, const std::vector<double>& b,
                          const std::vector<double>& terms) {
      for (size_t i = 0; i < a.size(); ++i) {
        if (!(std::abs(a[i] - b[i]) <= 1e-12 * terms[i] + 1e-300)) return false;
      }
      return true;
    };
    // A sample on a knot may count for either side: only samples off every knot are compared.
    for (const float t : samples) {
      RC_PRE(std::find(pwl.knots().begin(), pwl.knots().end(), t) == pwl.knots().end());
    }
    RC_ASSERT(close(given.b2, expected.b2, size.b2));
    RC_ASSERT(close(given.w2, expected.w2, size.w2));
    RC_ASSERT(close(given.w1, expected.w1, size.w1));
    RC_ASSERT(close(given.b1, expected.b1, size.b1));
    RC_ASSERT(close(given.scale, expected.scale, size.scale));
  }));
}

Mlp two_units(float w1, float b1) {
  return {1, 2, false, {w1, 1.0f}, {b1, -0.5f}, {1.0f, 1.0f}, {0.25f}};
}

TEST(Pwl, HugeUnitLeavesNoTraceWhereItIsInactive) {
  const Pwl pwl(two_units(-1e20f, 0.0f).weights());  // active for t < 0 alone
  const int64_t s = segment(pwl, 1.0f);
  EXPECT_DOUBLE_EQ(pwl.slope(s, 0), 1.0);
  EXPECT_DOUBLE_EQ(pwl.intercept(s, 0), 0.25 - 0.5);
}

TEST(Pwl, AnyParameterThatIsNotFiniteSpoilsItsChannels) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const auto& mlp : {two_units(bad, 1.0f), two_units(1.0f, bad)}) {
      const Pwl pwl(mlp.weights());
      for (int64_t s = 0; s < pwl.segments(); ++s) EXPECT_TRUE(std::isnan(pwl.intercept(s, 0)));
    }
  }
}

TEST(Pwl, KnotsBeyondFloatSaturate) {
  const Pwl right(two_units(1e-30f, -1e20f).weights()), left(two_units(1e-30f, 1e20f).weights());
  EXPECT_EQ(right.knots().back(), kInfinity);
  EXPECT_EQ(left.knots().front(), std::numeric_limits<float>::lowest());
}

TEST(Psi, AutoTakesTheTableUpToItsLimitAndForReluAlone) {
  const auto table = [](const std::string& psi, const std::string& activation, int64_t hid) {
    const at::Tensor one = at::ones({hid});
    kernels::MapArgs args;
    const auto made =
        make_psi(psi, activation, Weights(one, one, at::ones({1, hid}), at::ones({1})));
    made->fold({{1.0}, 0.0, 0.0f}, one, args);
    return args.map;
  };
  EXPECT_EQ(table("auto", "relu", kMaxAutoKnots), "pwl");
  EXPECT_EQ(table("auto", "relu", kMaxAutoKnots + 1), "dense_relu");
  EXPECT_EQ(table("pwl", "relu", kMaxAutoKnots + 1), "pwl");
  EXPECT_EQ(table("auto", "gelu", 4), "dense_gelu");
  EXPECT_THROW(table("pwl", "silu", 4), c10::Error);
  EXPECT_THROW(table("pwl", "relu", kernels::kMaxKnots + 1), c10::Error);
}

}  // namespace
}  // namespace luna::psi
