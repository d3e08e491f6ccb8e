// The CUDA pipelines and launchers against float64 without a GPU: tensors on the stand-in device,
// kernels executed by the PTX interpreter, the whole operator with its gradients held to the bound
// of every fused operator. Run with LUNA_TEST_DEVICE=cuda:0.
#include "tests/support/compare.h"
#include "tests/support/poison.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {
namespace {

[[maybe_unused]] const bool kPrinted = print_worst_at_end();

class CudaAccuracy : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    poison_fresh_memory();
  }
};

TEST_P(CudaAccuracy, WithinAMultipleOfEager) {
  take_ptx_counts();
  expect_within_bounds(GetParam());
  const Shape& s = GetParam().shape;
  const bool any = s.B * (s.N + s.Nq) > 0;
  EXPECT_EQ(!take_ptx_counts().empty(), any) << "CUDA kernels run where there are tokens";
}

/// Tile and slot borders, and shapes around the built head sizes 32 and 64.
const std::vector<Shape> kShapes{
    // B, H, Hk, Nq, N, d, dv, m, L, hid
    {2, 2, 2, 5, 0, 32, 32, 4, 8, 16},    {1, 3, 1, 7, 1, 64, 64, 16, 8, 64},
    {1, 4, 2, 70, 63, 32, 32, 16, 8, 64}, {1, 1, 1, 64, 64, 64, 64, 16, 8, 33},
    {2, 2, 1, 33, 65, 17, 40, 5, 4, 13},  {1, 1, 1, 65, 32, 40, 17, 17, 1, 7},
    {1, 2, 2, 31, 40, 33, 64, 3, 12, 64}, {1, 1, 1, 20, 1030, 64, 32, 4, 8, 40},
    {2, 2, 2, 0, 64, 32, 64, 8, 8, 16},   {1, 2, 1, 3, 100, 8, 1, 1, 3, 2},
};

std::vector<ops::Spec> every_map() {
  std::vector<ops::Spec> maps;
  const auto add_psi = [&](const char* psi, const char* activation) {
    maps.emplace_back();
    maps.back().psi = psi;
    maps.back().activation = activation;
  };
  for (const char* activation : {"relu", "leaky_relu", "hardtanh"}) add_psi("pwl", activation);
  for (const char* activation : {"relu", "gelu", "silu"}) add_psi("dense", activation);
  for (const std::string& name : fused_map_names()) {
    maps.emplace_back();
    maps.back().feature_map = name;
  }
  return maps;
}

std::vector<Case> every_map_on_every_shape() {
  std::vector<Case> cases;
  for (const Shape& shape : kShapes) {
    for (const ops::Spec& map : every_map()) {
      Case c;
      c.shape = shape;
      c.seed = 11 + cases.size();
      c.spec = map;
      cases.push_back(c);
    }
  }
  return cases;
}

/// Random options (envelope, ch_rms, mask, layout, denominator, ...) on shapes that are built and
/// that the interpreter is done with soon.
std::vector<Case> fitting(std::vector<Case> cases) {
  cases.erase(std::remove_if(cases.begin(), cases.end(),
                             [](const Case& c) {
                               const Shape& s = c.shape;
                               return s.d > 64 || s.dv > 64 || s.B * s.H * (s.N + s.Nq) > 300;
                             }),
              cases.end());
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudaAccuracy, ::testing::ValuesIn(every_map_on_every_shape()));
INSTANTIATE_TEST_SUITE_P(Luna, CudaAccuracy,
                         ::testing::ValuesIn(fitting(random_luna_cases(150, 3))));
INSTANTIATE_TEST_SUITE_P(Fixed, CudaAccuracy,
                         ::testing::ValuesIn(fitting(random_fixed_cases(60, 4))));

}  // namespace
}  // namespace luna::test
