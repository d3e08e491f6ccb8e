// The CPU's exponential over float32's whole range.
#include "exponential.h"

#include <HalideBuffer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Values = Halide::Runtime::Buffer<float>;

/// exp(a - b^2). Where that is not above 0, both exponentials are one.
Values exponentials(Values a, Values b) {
  Values y(a.width()), decay(a.width());
  EXPECT_EQ(exponential(a, b, y, decay), 0);
  for (int i = 0; i < a.width(); i++) {
    const volatile float square = b(i) * b(i);  // rounded
    if (a(i) - square > 0) continue;
    const double difference = y(i) - static_cast<double>(decay(i));
    if (!std::isnan(y(i))) {
      EXPECT_LE(std::abs(difference), 5e-7 * y(i)) << a(i) - square;
    }
    EXPECT_EQ(std::isnan(y(i)), std::isnan(decay(i)));
  }
  return y;
}

Values exponentials(Values a) {
  Values b(a.width());
  b.fill(0.0f);
  return exponentials(a, b);
}

TEST(Exponential, IsExactToTheLastPlacesOverItsRange) {
  constexpr int kCount = 1 << 16;
  Values a(kCount);
  a.for_each_element([&](int i) { a(i) = -86.8f + 175.5f * static_cast<float>(i) / kCount; });
  const Values y = exponentials(a);
  for (int i = 0; i < kCount; i++) {
    const double exact = std::exp(static_cast<double>(a(i)));
    ASSERT_NEAR(y(i) / exact, 1.0, 3.5e-7) << a(i);
  }
}

TEST(Exponential, EndsAtZeroAndInfinityAndKeepsNan) {
  const float most = 88.722839f, largest = std::numeric_limits<float>::max();
  float x[] = {0.0f,  -0.0f,    -87.0f, -1e30f, -kInfinity, std::nextafter(most, 90.0f),
               1e30f, kInfinity};
  const float exact[] = {1, 1, 0, 0, 0, kInfinity, kInfinity, kInfinity};
  const Values y = exponentials(Values(x, 8));
  for (int i = 0; i < 8; i++) EXPECT_EQ(y(i), exact[i]) << x[i];

  float ends[] = {std::nextafter(most, 0.0f), NAN, -NAN};
  const Values of_ends = exponentials(Values(ends, 3));
  EXPECT_TRUE(of_ends(0) > 0.9999f * largest && of_ends(0) <= largest) << of_ends(0);
  EXPECT_TRUE(std::isnan(of_ends(1)) && std::isnan(of_ends(2)));
}

/// An exponent that is computed in place: once, so that k and r belong together.
TEST(Exponential, OfADifferenceOfLargeNumbers) {
  constexpr int kCount = 1024;
  Values a(kCount), b(kCount);
  b.for_each_element([&](int i) { b(i) = 5000.0f + 0.37f * static_cast<float>(i); });
  a.for_each_element([&](int i) { a(i) = b(i) * b(i) - static_cast<float>(i % 9); });
  const Values y = exponentials(a, b);
  for (int i = 0; i < kCount; i++) {
    const volatile float square = b(i) * b(i);  // rounded
    const float difference = a(i) - square;
    ASSERT_NEAR(y(i) / std::exp(static_cast<double>(difference)), 1.0, 3.5e-7) << difference;
  }
}

}  // namespace
