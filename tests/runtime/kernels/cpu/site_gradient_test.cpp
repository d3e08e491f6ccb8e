// site_gradient() against its formula in double.
#include "runtime/kernels/cpu/site_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace luna::kernels {
namespace {

struct SiteProblem {
  static constexpr int64_t kTokens = 13, kPitch = 16, kSegments = 5, kRows = 2 * kSegments, kL = 8;
  static constexpr int64_t kDropped = 7, kNanToken = 3;
  static constexpr float kFloor = 0.25f;

  explicit SiteProblem(int64_t projections)
      : projections(projections),
        dphi(kTokens * projections * kL),
        weight(kTokens),
        t(projections * kPitch),
        table(kRows * 2 * kL),
        g0(kRows * kL),
        g1(kRows * kL),
        dt(kTokens * (projections + 3), -1.0f),
        segment(projections * kPitch),
        first_row(projections) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (auto* values : {&dphi, &weight, &t, &table, &g0, &g1}) {
      for (float& value : *values) value = normal(random);
    }
    for (int32_t& s : segment) s = static_cast<int32_t>(random() % kSegments);
    for (int64_t i = 0; i < projections; i++) first_row[i] = i % 2 ? kSegments : 0;
    weight[kDropped] = -0.0f;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    dphi[kDropped * projections * kL] = t[kDropped] = nan;
    t[kNanToken] = nan;  // of projection 0
    segment[kNanToken] = kSegments;
  }

  SiteGradient args(bool sums) {
    return {dphi.data(),
            projections * kL,
            weight.data(),
            kTokens,
            projections,
            t.data(),
            segment.data(),
            kPitch,
            first_row.data(),
            kSegments - 1,
            table.data(),
            kFloor,
            dt.data(),
            projections + 3,
            sums ? g0.data() : nullptr,
            sums ? g1.data() : nullptr};
  }

  /// dt of one site; adds to the sums.
  double expected(int64_t n, int64_t i, std::vector<double>& sum0,
                  std::vector<double>& sum1) const {
    if (weight[n] == 0.0f) return 0.0;
    const int64_t s = std::min<int64_t>(segment[i * kPitch + n], kSegments - 1);
    const int64_t row = first_row[i] + s;
    const double at = t[i * kPitch + n];
    double total = 0.0;
    for (int64_t l = 0; l < kL; l++) {
      const double slope = table[row * 2 * kL + l], intercept = table[row * 2 * kL + kL + l];
      if (slope * at + intercept <= kFloor) continue;
      const double dpsi = static_cast<double>(weight[n]) * dphi[(n * projections + i) * kL + l];
      total += slope * dpsi;
      sum0[row * kL + l] += dpsi;
      sum1[row * kL + l] += at * dpsi;
    }
    return total;
  }

  int64_t projections;
  std::vector<float> dphi, weight, t, table, g0, g1, dt;
  std::vector<int32_t> segment, first_row;
};

void expect_close(double got, double expected) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(got));
  } else {
    EXPECT_NEAR(got, expected, 1e-4);
  }
}

TEST(SiteGradients, AreTheFormula) {
  for (const int64_t projections : {1, 4, 8, 12, 16}) {
    for (const bool sums : {false, true}) {
      SiteProblem c(projections);
      std::vector<double> sum0(c.g0.begin(), c.g0.end()), sum1(c.g1.begin(), c.g1.end());
      const std::vector<float> before = c.g0;
      site_gradient(c.args(sums));
      for (int64_t n = 0; n < SiteProblem::kTokens; n++) {
        for (int64_t i = 0; i < projections; i++) {
          SCOPED_TRACE(testing::Message() << "token " << n << " projection " << i);
          expect_close(c.dt[n * (projections + 3) + i], c.expected(n, i, sum0, sum1));
        }
        EXPECT_EQ(c.dt[n * (projections + 3) + projections], -1.0f);  // nothing beyond
      }
      if (!sums) {
        EXPECT_EQ(c.g0, before);
        continue;
      }
      for (size_t k = 0; k < c.g0.size(); k++) {
        expect_close(c.g0[k], sum0[k]);
        expect_close(c.g1[k], sum1[k]);
      }
    }
  }
}

}  // namespace
}  // namespace luna::kernels
