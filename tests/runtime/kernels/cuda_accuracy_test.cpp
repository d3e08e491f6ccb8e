// The CUDA launchers and generators against float64 without a GPU: the generators are compiled for
// the CPU (hosted_kernels.cpp puts them in the place of the CPU kernels), and the whole operator,
// gradients included, is held to the bound of every fused operator, outputs poisoned.
#include "tests/runtime/kernels/hosted_kernels.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace luna::test {
namespace {

class WorstCases : public ::testing::Environment {
 public:
  void TearDown() override { print_worst(); }
};
[[maybe_unused]] const auto* const kWorstCases =
    ::testing::AddGlobalTestEnvironment(new WorstCases);

class CudaAccuracy : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { poison_fresh_memory(); }
};

TEST_P(CudaAccuracy, WithinAMultipleOfEager) {
  const int64_t before = hosted_calls();
  expect_within_bounds(GetParam());
  EXPECT_GT(hosted_calls(), before) << "the hosted kernels did not run";
}

/// Every length, and shapes around the built head sizes 32 and 64.
const std::vector<Shape> kShapes{
    // B, H, Hk, Nq, N, d, dv, m, L, hid
    {2, 2, 2, 5, 0, 32, 32, 4, 8, 16},      {1, 3, 1, 7, 1, 64, 64, 16, 8, 64},
    {2, 4, 2, 70, 63, 32, 32, 16, 8, 64},   {1, 2, 2, 64, 64, 64, 64, 16, 8, 33},
    {2, 2, 1, 100, 100, 17, 40, 5, 4, 13},  {1, 1, 1, 65, 100, 40, 17, 17, 1, 7},
    {1, 2, 2, 130, 100, 33, 64, 3, 12, 64}, {1, 1, 1, 1000, 1000, 64, 32, 16, 8, 64},
    {2, 2, 2, 0, 64, 32, 64, 8, 8, 16},     {1, 2, 1, 3, 1000, 8, 1, 1, 3, 2},
};

std::vector<Case> every_map_on_every_shape() {
  std::vector<Case> cases;
  for (const Shape& shape : kShapes) {
    for (const char* map : {"pwl", "relu", "gelu", "silu", "elu", "fixed relu", "performer"}) {
      Case c;
      c.shape = shape;
      c.seed = 11 + cases.size();
      const std::string name = map;
      if (name == "elu" || name == "performer") {
        c.spec.feature_map = name;
      } else if (name == "fixed relu") {
        c.spec.feature_map = "relu";
      } else {
        c.spec.psi = name == "pwl" ? "pwl" : "dense";
        c.spec.activation = name == "pwl" ? "relu" : name;
      }
      cases.push_back(c);
    }
  }
  return cases;
}

/// Random options (envelope, ch_rms, mask, layout, denominator, ...) on head sizes that are built.
std::vector<Case> up_to_64(std::vector<Case> cases) {
  cases.erase(std::remove_if(cases.begin(), cases.end(),
                             [](const Case& c) { return c.shape.d > 64 || c.shape.dv > 64; }),
              cases.end());
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudaAccuracy, ::testing::ValuesIn(every_map_on_every_shape()));
INSTANTIATE_TEST_SUITE_P(Luna, CudaAccuracy,
                         ::testing::ValuesIn(up_to_64(random_luna_cases(70, 3))));
INSTANTIATE_TEST_SUITE_P(Fixed, CudaAccuracy,
                         ::testing::ValuesIn(up_to_64(random_fixed_cases(30, 4))));

}  // namespace
}  // namespace luna::test
