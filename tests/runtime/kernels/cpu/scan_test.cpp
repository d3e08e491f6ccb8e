// scan() in both instruction sets against its formula in double.
#include "runtime/kernels/cpu/scan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "runtime/kernels/cpu/processor.h"

namespace luna::kernels {
namespace {

constexpr int64_t kLanesHere = 160;

struct Memory {
  explicit Memory(int64_t tokens = 19, int64_t count = 21)
      : tokens(tokens),
        count(count),
        a(tokens * kLanesHere),
        b(tokens * count),
        c(b.size()),
        y(a.size()),
        T(count * kLanesHere) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (auto* values : {&a, &b, &c, &y, &T}) {
      for (float& value : *values) value = normal(random);
    }
  }

  Scan scan(bool reverse, bool adds, bool keeps) {
    const int64_t first = reverse ? tokens - 1 : 0, sign = reverse ? -1 : 1;
    const auto rows = [&](const std::vector<float>& x, int64_t width) {
      return ScanRows{x.data() + first * width, sign * width};
    };
    return {rows(a, kLanesHere),
            rows(b, count),
            rows(c, count),
            y.data() + first * kLanesHere,
            sign * kLanesHere,
            adds,
            kLanesHere,
            count,
            tokens,
            T.data(),
            kLanesHere,
            keeps};
  }

  /// The same in double, token by token.
  void expect(bool reverse, bool adds, const Memory& before, bool keeps) const {
    std::vector<double> state(before.T.begin(), before.T.end());
    for (int64_t k = 0; k < tokens; k++) {
      const int64_t n = reverse ? tokens - 1 - k : k;
      for (int64_t i = 0; i < kLanesHere; i++) {
        double sum = adds ? before.y[n * kLanesHere + i] : 0.0;
        for (int64_t j = 0; j < count; j++) {
          double& t = state[j * kLanesHere + i];
          t += static_cast<double>(a[n * kLanesHere + i]) * b[n * count + j];
          sum += t * c[n * count + j];
        }
        ASSERT_NEAR(y[n * kLanesHere + i], sum, 5e-6 * tokens) << "token " << n << ", lane " << i;
      }
    }
    for (size_t x = 0; x < T.size(); x++) {
      ASSERT_NEAR(T[x], keeps ? state[x] : before.T[x], 5e-7 * tokens) << "state " << x;
    }
  }

  int64_t tokens, count;
  std::vector<float> a, b, c, y, T;
};

void expect_formula(void (*scan)(const Scan&)) {
  for (const bool reverse : {false, true}) {
    for (const bool adds : {false, true}) {
      for (const bool keeps : {false, true}) {
        for (const int64_t tokens : {7, 19, 150, static_cast<int>(kScanTokens)}) {
          for (const int64_t count : {1, 3, 21, 32, 77}) {
            Memory memory(tokens, count);
            const Memory before = memory;
            scan(memory.scan(reverse, adds, keeps));
            memory.expect(reverse, adds, before, keeps);
          }
        }
      }
    }
  }
}

TEST(Scan, IsItsFormulaInAvx2) { expect_formula(scan_avx2); }

TEST(Scan, IsItsFormulaInAvx512) {
  if (!has_avx512()) GTEST_SKIP() << "no AVX-512 on this machine";
  expect_formula(scan_avx512);
}

/// What a token adds reaches no token before it, NaN or not.
TEST(Scan, IsCausal) {
  Memory memory;
  memory.a[5 * kLanesHere] = NAN;
  scan(memory.scan(false, false, true));
  for (int64_t n = 0; n < memory.tokens; n++) {
    EXPECT_EQ(std::isnan(memory.y[n * kLanesHere]), n >= 5) << "token " << n;
  }
}

}  // namespace
}  // namespace luna::kernels
