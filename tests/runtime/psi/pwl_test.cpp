// The piecewise-linear table against the MLP it stands for, on random weights with ties, zeros and
// extremes.
#include "runtime/psi/pwl.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/runtime/psi/tables.h"

namespace luna::psi {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Mlp {
  std::string activation;
  int64_t L, hid;
  bool separate;
  std::vector<float> w1, b1, w2, b2;

  MlpParams params() const {
    const std::vector<int64_t> units =
        separate ? std::vector<int64_t>{L, hid} : std::vector<int64_t>{hid};
    const auto tensor = [](const std::vector<float>& x, const std::vector<int64_t>& shape) {
      return at::tensor(x).reshape(shape);
    };
    return {tensor(w1, units), tensor(b1, units), tensor(w2, {L, hid}), tensor(b2, {L})};
  }
  const PiecewiseLinear& lines() const { return *piecewise_linear(activation); }
  Pwl pwl() const { return {params(), lines()}; }
};

/// How RapidCheck prints a counterexample.
void showValue(const Mlp& m, std::ostream& out) {
  out << m.activation << ", L " << m.L << ", hid " << m.hid
      << (m.separate ? ", separate" : ", shared");
  const auto list = [&](const char* name, const std::vector<float>& values) {
    out << "\n" << name << ":" << std::hexfloat;
    for (const float value : values) out << " " << value;
  };
  list("w1", m.w1);
  list("b1", m.b1);
  list("w2", m.w2);
  list("b2", m.b2);
}

rc::Gen<Mlp> mlp() {
  return rc::gen::exec([] {
    Mlp m;
    m.activation = *rc::gen::element<std::string>("relu", "leaky_relu", "hardtanh");
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

double act(const std::string& name, double x) {
  if (name == "relu") return x > 0 ? x : 0.0;
  return name == "leaky_relu" ? (x > 0 ? x : 0.01 * x) : std::min(std::max(x, -1.0), 1.0);
}

double slope(const std::string& name, double x) {
  if (name == "relu") return x > 0 ? 1.0 : 0.0;
  return name == "leaky_relu" ? (x > 0 ? 1.0 : 0.01) : (x > -1 && x < 1 ? 1.0 : 0.0);
}

/// psi_l(t) by its definition, and the sum of the sizes of its terms, which scales the rounding
/// error. A unit within rounding of its knot counts with its larger size of the two sides.
std::pair<double, double> direct(const Mlp& m, const Weights& w, int64_t l, double t) {
  double value = w.b2[l], size = std::abs(w.b2[l]);
  for (int64_t u = 0; u < w.units; ++u) {
    if (l < w.first_channel(u) || l >= w.last_channel(u)) continue;
    const double w2 = w.w2[w.w2_index(l, u)], pre = w.w1[u] * t + w.b1[u];
    const double terms = std::abs(w.w1[u] * t) + std::abs(w.b1[u]);
    value += w2 * act(m.activation, pre);
    double larger = 0.0;
    for (const double side : {-1e-15, 1e-15}) {
      const Line line = m.lines().line_of(pre + side * (terms + 1.0));
      larger = std::max(larger, std::abs(line.slope) * terms + std::abs(line.offset));
    }
    size += std::abs(w2) * larger;
  }
  return {value, size};
}

TEST(Pwl, EqualsTheMlpEverywhere) {
  EXPECT_TRUE(rc::check([] {
    const Mlp m = *mlp().as("psi");
    const Pwl pwl = m.pwl();
    const HostTable table(pwl.table());
    for (const float t : probes(table)) {
      for (int64_t l = 0; l < m.L; ++l) {
        const auto [expected, size] = direct(m, pwl.weights(), l, t);
        RC_ASSERT(std::abs(value(table, t, l) - expected) <= 1e-13 * size);
      }
    }
  }));
}

TEST(Pwl, KnotsAscendAndConstantUnitsHaveNone) {
  EXPECT_TRUE(rc::check([] {
    const Mlp m = *mlp().as("psi");
    const std::vector<float> knots = HostTable(m.pwl().table()).knots;
    RC_ASSERT(std::is_sorted(knots.begin(), knots.end()));
    const auto moving = std::count_if(m.w1.begin(), m.w1.end(), [](float w) { return w != 0.0f; });
    RC_ASSERT(static_cast<int64_t>(knots.size()) == moving * m.lines().knots());
  }));
}

/// Whether a unit's argument is a break but for rounding: t may count for either side of it.
bool near_a_break(const Mlp& m, const Weights& w, double t) {
  for (int64_t u = 0; u < w.units; ++u) {
    if (w.w1[u] == 0.0) continue;
    const double terms = std::abs(w.w1[u] * t) + std::abs(w.b1[u]);
    for (const double at : m.lines().breaks) {
      if (std::abs(w.w1[u] * t + w.b1[u] - at) <= 1e-15 * terms) return true;
    }
  }
  return false;
}

/// Of the parameters, laid out as Weights, and of a fold's scale.
struct Sums {
  explicit Sums(const Weights& w)
      : w1(w.w1.size()), b1(w.b1.size()), w2(w.w2.size()), b2(w.b2.size()), scale(w.L) {}
  std::vector<double> w1, b1, w2, b2, scale;
};

/// Gradients from segment sums equal the sums over samples taken one by one.
TEST(Pwl, GradientEqualsTheSumOverSamples) {
  EXPECT_TRUE(rc::check([] {
    const Mlp m = *mlp().as("psi");
    const Pwl pwl = m.pwl();
    const Weights& w = pwl.weights();
    const HostTable table(pwl.table());
    const at::Tensor scale = at::arange(2, m.L + 2, at::kDouble) * 0.25;
    Sums expected(w), size(w);
    LineSums sums(table);
    const std::vector<float> samples{0.61f, -0.83f, 1.9f, -2.7f, 0.013f, 5.5f, -31.0f};
    for (size_t i = 0; i < samples.size(); ++i) {
      const double t = samples[i];
      const int64_t s = segment(table, samples[i]);
      for (int64_t l = 0; l < m.L; ++l) {
        const double g = std::sin(1.0 + static_cast<double>(i) + 3.0 * static_cast<double>(l));
        sums.add(s, l, t, g);
        expected.scale[l] += g * direct(m, w, l, t).first;
        size.scale[l] += direct(m, w, l, t).second;
        const double scaled = g * scale[l].item<double>();
        expected.b2[l] += scaled;
        size.b2[l] += std::abs(scaled);
        for (int64_t u = 0; u < w.units; ++u) {
          if (l < w.first_channel(u) || l >= w.last_channel(u)) continue;
          const int64_t index = w.w2_index(l, u);
          const double pre = w.w1[u] * t + w.b1[u], rate = slope(m.activation, pre);
          const double terms = std::abs(w.w1[u] * t) + std::abs(w.b1[u]);
          const double y = act(m.activation, pre);
          expected.w2[index] += scaled * y;
          expected.w1[u] += scaled * w.w2[index] * rate * t;
          expected.b1[u] += scaled * w.w2[index] * rate;
          size.w2[index] += std::abs(scaled) * (rate * terms + std::abs(y));
          size.w1[u] += std::abs(scaled * w.w2[index] * rate * t);
          size.b1[u] += std::abs(scaled * w.w2[index] * rate);
        }
      }
    }
    const std::vector<at::Tensor> given = pwl.unfold(sums.lines * scale);
    kernels::MapGrads grads;
    grads.g0 = sums.lines.select(1, 1);
    grads.g1 = sums.lines.select(1, 0);
    kernels::MapArgs unscaled;
    unscaled.proj = at::ones({1, 1});
    pwl.fold({at::ones({m.L}, at::kDouble)}, unscaled);
    const auto close = [](const at::Tensor& tensor, const std::vector<double>& b,
                          const std::vector<double>& terms) {
      const std::vector<double> a = to_host(tensor);
      for (size_t i = 0; i < a.size(); ++i) {
        if (!(std::abs(a[i] - b[i]) <= 1e-12 * terms[i] + 1e-300)) return false;
      }
      return true;
    };
    for (const float t : samples) RC_PRE(!near_a_break(m, w, t));
    RC_ASSERT(close(given[3], expected.b2, size.b2));
    RC_ASSERT(close(given[2], expected.w2, size.w2));
    RC_ASSERT(close(given[0], expected.w1, size.w1));
    RC_ASSERT(close(given[1], expected.b1, size.b1));
    RC_ASSERT(close(scale_gradient(unscaled, grads), expected.scale, size.scale));
  }));
}

Mlp two_units(float w1, float b1) {
  return {"relu", 1, 2, false, {w1, 1.0f}, {b1, -0.5f}, {1.0f, 1.0f}, {0.25f}};
}

TEST(Pwl, HugeUnitLeavesNoTraceWhereItIsInactive) {
  const HostTable table(two_units(-1e20f, 0.0f).pwl().table());  // active for t < 0 alone
  const int64_t s = segment(table, 1.0f);
  EXPECT_DOUBLE_EQ(line(table, s, 0).slope, 1.0);
  EXPECT_DOUBLE_EQ(line(table, s, 0).offset, 0.25 - 0.5);
}

TEST(Pwl, AWeightThatIsNotFiniteAndANanSpoilTheirChannels) {
  Mlp w2 = two_units(1.0f, 1.0f);
  w2.w2[0] = -INFINITY;
  for (const Mlp& mlp : {two_units(NAN, 1.0f), two_units(INFINITY, 1.0f),
                         two_units(-INFINITY, 1.0f), two_units(1.0f, NAN), w2}) {
    const HostTable table(mlp.pwl().table());
    for (int64_t s = 0; s < table.segments(); ++s) {
      EXPECT_TRUE(std::isnan(line(table, s, 0).offset));
    }
  }
}

TEST(Pwl, AnInfiniteBiasIsTheMlps) {
  for (const char* activation : {"relu", "leaky_relu", "hardtanh"}) {
    for (const float b1 : {INFINITY, -INFINITY}) {
      Mlp mlp = two_units(1.0f, b1);
      mlp.activation = activation;
      const HostTable table(mlp.pwl().table());
      for (const float t : {-3.0f, 0.0f, 3.0f}) {
        const double expected = 0.25 + act(activation, b1) + act(activation, t - 0.5);
        EXPECT_DOUBLE_EQ(value(table, t, 0), expected) << activation << " " << b1;
      }
    }
  }
}

TEST(Pwl, KnotsBeyondFloatSaturate) {
  const auto knots = [](float b1) { return HostTable(two_units(1e-30f, b1).pwl().table()).knots; };
  EXPECT_EQ(knots(-1e20f).back(), kInfinity);
  EXPECT_EQ(knots(1e20f).front(), std::numeric_limits<float>::lowest());
}

TEST(Pwl, SteepHardtanhLeavesNoTraceWhereItIsFlat) {
  const Mlp m{"hardtanh", 1, 2, false, {1e20f, 1.0f}, {0.0f, 0.25f}, {1.0f, 1.0f}, {0.5f}};
  const HostTable table(m.pwl().table());
  for (const float t : {-0.5f, 0.5f}) {
    const int64_t s = segment(table, t);
    EXPECT_DOUBLE_EQ(line(table, s, 0).slope, 1.0);
    EXPECT_DOUBLE_EQ(line(table, s, 0).offset, 0.75 + (t > 0 ? 1.0 : -1.0));
  }
}

/// Of a unit with w1 = 0 that sits on a break, as torch.
TEST(PiecewiseLinear, TakesTheFlatterSlopeOnABreak) {
  for (const auto& [name, x, expected] : {std::tuple{"relu", 0.0, 0.0},
                                          {"leaky_relu", 0.0, 0.01},
                                          {"hardtanh", -1.0, 0.0},
                                          {"hardtanh", 1.0, 0.0},
                                          {"hardtanh", 0.5, 1.0}}) {
    EXPECT_EQ(piecewise_linear(name)->line_of(x).slope, expected) << name << " " << x;
  }
  EXPECT_EQ(piecewise_linear("gelu"), nullptr);
}

TEST(Psi, AutoTakesTheTableUpToItsLimitAndForPiecewiseLinearAlone) {
  const auto table = [](const std::string& psi, const std::string& activation, int64_t hid) {
    const at::Tensor one = at::ones({hid});
    kernels::MapArgs args;
    const auto made = make_psi(psi, activation, {one, one, at::ones({1, hid}), at::ones({1})});
    args.proj = one;
    made->fold({at::ones({1}, at::kDouble), 0.0, 0.0f}, args);
    return args.map;
  };
  EXPECT_EQ(table("auto", "relu", kMaxAutoKnots), "pwl");
  EXPECT_EQ(table("auto", "relu", kMaxAutoKnots + 1), "dense_relu");
  EXPECT_EQ(table("pwl", "relu", kMaxAutoKnots + 1), "pwl");
  EXPECT_EQ(table("auto", "gelu", 4), "dense_gelu");
  EXPECT_THROW(table("pwl", "silu", 4), c10::Error);
  EXPECT_THROW(table("pwl", "relu", kernels::kMaxKnots + 1), c10::Error);
  EXPECT_EQ(table("auto", "leaky_relu", kernels::kMaxKnots), "pwl");
  EXPECT_THROW(table("auto", "leaky_relu", kernels::kMaxKnots + 1), c10::Error);
  EXPECT_EQ(table("auto", "hardtanh", kernels::kMaxKnots / 2), "pwl");
  EXPECT_THROW(table("auto", "hardtanh", kernels::kMaxKnots / 2 + 1), c10::Error);
  EXPECT_THROW(table("dense", "hardtanh", 4), c10::Error);
}

}  // namespace
}  // namespace luna::psi
