// The feature map that CONTRIBUTING.md writes as an example, taken from that page and compiled.
#include <HalideBuffer.h>
#include <gtest/gtest.h>

#include "example_features.h"
#include "example_features_grad.h"

namespace {

constexpr int kSize = 32, kTokens = 8;

TEST(ExampleMap, IsTheSquareAndItsGradient) {
  Halide::Runtime::Buffer<float> x(kSize, kTokens), phi(kSize, kTokens), dphi(kSize, kTokens),
      dx(kSize, kTokens), weight(kTokens);
  Halide::Runtime::Buffer<int32_t> mask(kSize);
  x.for_each_element([&](int j, int n) { x(j, n) = 0.25f * static_cast<float>(j - 3 * n); });
  dphi.for_each_element([&](int j, int n) { dphi(j, n) = static_cast<float>(j + n); });
  weight.fill(1.0f);
  mask.fill(-1);
  ASSERT_EQ(example_features(x, weight, kSize, mask, phi), 0);
  ASSERT_EQ(example_features_grad(x, weight, kSize, phi, dphi, /*sums=*/0, dx), 0);
  x.for_each_element([&](int j, int n) {
    EXPECT_EQ(phi(j, n), x(j, n) * x(j, n));
    EXPECT_EQ(dx(j, n), 2 * x(j, n) * dphi(j, n));
  });
}

}  // namespace
