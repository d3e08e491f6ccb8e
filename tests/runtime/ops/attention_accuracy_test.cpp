// Forward and every gradient of the fused operators against float64 on random configurations, with
// outputs poisoned (NaN in all fresh memory), held to a multiple of eager float32's own error.
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace luna::test {
namespace {

constexpr int kLunaCases = 120, kFixedCases = 36;

[[maybe_unused]] const bool kPrinted = print_worst_at_end();

class Accuracy : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { poison_fresh_memory(); }
};

TEST_P(Accuracy, WithinAMultipleOfEager) { expect_within_bounds(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Luna, Accuracy, ::testing::ValuesIn(random_luna_cases(kLunaCases, 1)));
INSTANTIATE_TEST_SUITE_P(Fixed, Accuracy, ::testing::ValuesIn(random_fixed_cases(kFixedCases, 2)));

}  // namespace
}  // namespace luna::test
