// Statistics of timing samples against values from tables and exact enumeration.
#include "reports/bench/samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace luna::reports {
namespace {

TEST(Samples, QuantilesAreLinearBetweenOrderStatistics) {
  const std::vector<double> samples = {4, 1, 3, 2};
  EXPECT_EQ(quantile(samples, 0), 1);
  EXPECT_EQ(quantile(samples, 0.25), 1.75);
  EXPECT_EQ(median(samples), 2.5);
  EXPECT_EQ(quantile(samples, 1), 4);
  EXPECT_EQ(quantile({7}, 0.25), 7);
  EXPECT_EQ(spread(samples), 1.5 / 2.5);
}

TEST(MannWhitney, IsExactForFewSamples) {
  EXPECT_NEAR(mann_whitney({1, 2, 3}, {4, 5, 6}), 2.0 / 20, 1e-12);
  EXPECT_NEAR(mann_whitney({4, 5, 6}, {1, 2, 3}), 2.0 / 20, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}), 2.0 / 252, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 2, 4}, {3, 5, 6}), 4.0 / 20, 1e-12);  // U 1: two arrangements
  EXPECT_NEAR(mann_whitney({1, 3, 5}, {2, 4}), 1, 1e-12);            // U in the middle
  EXPECT_NEAR(mann_whitney({1}, {2, 3}), 2.0 / 3, 1e-12);
}

/// Ranks 1, 3, 3, 6, 8, 9.5 of a: U 9.5 of 36, ties 24 + 24 + 6 of 12 values; z = (18 - 9.5 - 0.5)
/// / sqrt(36/12 (13 - 54/132)) = 1.30167.
TEST(MannWhitney, CorrectsForTies) {
  EXPECT_NEAR(mann_whitney({1, 2, 2, 3, 4, 5}, {2, 3, 3, 5, 6, 7}),
              std::erfc(1.30167 / std::sqrt(2.0)), 1e-5);
  EXPECT_EQ(mann_whitney({2, 2, 2}, {2, 2}), 1);
  EXPECT_EQ(mann_whitney({}, {1}), 1);
}

std::vector<double> normal(double mean, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> draw(mean, 1);
  std::vector<double> values(count);
  for (double& value : values) value = draw(random);
  return values;
}

/// Under the hypothesis p is uniform: 5 % of 2000 tests below 0.05, give or take three sigma.
TEST(MannWhitney, RejectsAsOftenAsItSays) {
  for (const size_t count : {12u, 30u}) {  // exact and normal
    int rejected = 0;
    for (uint64_t i = 0; i < 2000; ++i) {
      rejected += mann_whitney(normal(0, count, 2 * i), normal(0, count, 2 * i + 1)) < 0.05;
    }
    EXPECT_NEAR(rejected, 100, 30) << count;
  }
}

TEST(MannWhitney, SmallestIsThatOfSamplesApart) {
  EXPECT_NEAR(smallest_mann_whitney(5, 5), 2.0 / 252, 1e-12);
  EXPECT_NEAR(smallest_mann_whitney(1, 3), 2.0 / 4, 1e-12);
  EXPECT_NEAR(smallest_mann_whitney(1, 1), 1, 1e-12);
}

/// The example of Benjamini and Hochberg 1995, section 3: at 5 % they reject the first four.
TEST(BenjaminiHochberg, FindsWhatThePaperFinds) {
  const std::vector<double> p = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                                 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
  const std::vector<double> adjusted = benjamini_hochberg(p);
  ASSERT_EQ(adjusted.size(), p.size());
  EXPECT_DOUBLE_EQ(adjusted[3], 15.0 / 4 * 0.0095);
  EXPECT_DOUBLE_EQ(adjusted[5], 15.0 / 7 * 0.0298);  // less than 15 / 6 of its own
  EXPECT_EQ(std::count_if(adjusted.begin(), adjusted.end(), [](double x) { return x <= 0.05; }), 4);
}

TEST(BenjaminiHochberg, StepsUpAndStaysInOrder) {
  const std::vector<double> adjusted = benjamini_hochberg({0.01, 0.04, 0.03, 0.005});
  const std::vector<double> expected = {0.02, 0.04, 0.04, 0.02};
  ASSERT_EQ(adjusted.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_DOUBLE_EQ(adjusted[i], expected[i]) << i;
  EXPECT_EQ(benjamini_hochberg({0.9, 0.8}), (std::vector<double>{0.9, 0.9}));
  EXPECT_TRUE(benjamini_hochberg({}).empty());
}

TEST(RatioInterval, HoldsTheRatioAsOftenAsItSays) {
  int held = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    const Interval interval = ratio_interval(normal(100, 20, 2 * i), normal(110, 20, 2 * i + 1));
    held += interval.low <= 1.1 && 1.1 <= interval.high;
    EXPECT_LT(interval.low, interval.high);
  }
  EXPECT_GE(held, 180);  // 95 % of 200, less three sigma
}

TEST(RatioInterval, IsTheSameForTheSameSamples) {
  const std::vector<double> a = normal(10, 9, 1), b = normal(12, 9, 2);
  EXPECT_EQ(ratio_interval(a, b).low, ratio_interval(a, b).low);
  const Interval none = ratio_interval({2, 2}, {3, 3});
  EXPECT_EQ(none.low, 1.5);
  EXPECT_EQ(none.high, 1.5);
}

}  // namespace
}  // namespace luna::reports
