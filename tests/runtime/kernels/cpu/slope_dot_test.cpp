// slope_dot() in both instruction sets against its formula in double.
#include "runtime/kernels/cpu/slope_dot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/processor.h"

namespace luna::kernels {
namespace {

constexpr int64_t kTokens = 21, kRows = 6, kDropped = 7;  // the last row: selected out

struct Case {
  Case(int64_t m, int64_t dv)
      : m(m),
        dv(dv),
        width(tiles::round_up(dv, tiles::kLanes)),
        projections(tiles::round_up(m, tiles::kLanes)),
        v(kTokens * (dv + 3)),
        scale(kTokens),
        last(2 * kTokens),
        table(m * kRows * 2 * width),
        normaliser(m * kRows * 2),
        dt(kTokens * projections, -1.0f),
        segment(projections * tiles::kStripPitch) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (auto* values : {&v, &scale, &last, &table, &normaliser}) {
      for (float& value : *values) value = normal(random);
    }
    for (int32_t& s : segment) s = static_cast<int32_t>(random() % (kRows - 1));
    for (int64_t i = 0; i < projections; i++) {
      segment[i * tiles::kStripPitch + kDropped] = kRows - 1;
    }
    v[kDropped * (dv + 3)] = std::numeric_limits<float>::quiet_NaN();
  }

  SlopeDot args() {
    return {v.data(), dv,    dv + 3,         kTokens,    scale.data(), last.data(),
            1,        2,     segment.data(), m,          table.data(), normaliser.data(),
            width,    kRows, dt.data(),      projections};
  }

  double expected(int64_t n, int64_t i) const {
    if (n == kDropped || i >= m) return 0.0;
    const int64_t slope = 2 * (i * kRows + segment[i * tiles::kStripPitch + n]) + 1;
    double sum = 0.0;
    for (int64_t e = 0; e < dv; e++) {
      sum += static_cast<double>(v[n * (dv + 3) + e]) * table[slope * width + e];
    }
    return scale[n] * sum + static_cast<double>(last[2 * n]) * normaliser[slope];
  }

  int64_t m, dv, width, projections;
  std::vector<float> v, scale, last, table, normaliser, dt;
  std::vector<int32_t> segment;
};

class SlopeDots : public testing::TestWithParam<bool> {};

TEST_P(SlopeDots, AreTheFormula) {
  const bool avx512 = GetParam();
  if (avx512 && !has_avx512()) GTEST_SKIP() << "no AVX-512 on this machine";
  for (const int64_t m : {1, 5, 8, 16, 19, 40}) {
    for (const int64_t dv : {1, 7, 8, 16, 20, 32, 48, 64, 100, 128}) {
      Case c(m, dv);
      (avx512 ? slope_dot_avx512 : slope_dot_avx2)(c.args());
      for (int64_t n = 0; n < kTokens; n++) {
        for (int64_t i = 0; i < c.projections; i++) {
          ASSERT_NEAR(c.dt[n * c.projections + i], c.expected(n, i), 4e-6 * std::sqrt(10.0 + dv))
              << "m " << m << ", dv " << dv << ", token " << n << ", projection " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, SlopeDots, testing::Bool());

}  // namespace
}  // namespace luna::kernels
