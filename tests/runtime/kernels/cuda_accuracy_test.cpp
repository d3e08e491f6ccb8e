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
  bool any = false;
  for (const auto& [name, counts] : take_ptx_counts()) any |= name.rfind("psi_", 0) != 0;
  EXPECT_EQ(any, s.B * (s.N + s.Nq) > 0) << "CUDA passes run where there are tokens";
}

/// For maps that the batched passes inline: tile and slot borders, and shapes around the built head
/// sizes 32 and 64.
const std::vector<Shape> kInlined{
    // B, H, Hk, Nq, N, d, dv, m, L, hid
    {2, 2, 2, 5, 0, 32, 32, 4, 8, 16},    {1, 3, 1, 7, 1, 64, 64, 16, 8, 64},
    {1, 4, 2, 70, 63, 32, 32, 16, 8, 64}, {1, 1, 1, 64, 64, 64, 64, 16, 8, 33},
    {2, 2, 1, 33, 65, 17, 40, 5, 4, 13},  {1, 1, 1, 65, 32, 40, 17, 17, 1, 7},
    {1, 2, 2, 31, 40, 33, 64, 3, 12, 64}, {1, 1, 1, 20, 1030, 64, 32, 4, 8, 40},
    {2, 2, 2, 0, 64, 32, 64, 8, 8, 16},   {1, 2, 1, 3, 100, 8, 1, 1, 3, 2},
};

/// By features in memory: chunks, slots, groups, and head sizes beyond 64.
const std::vector<Shape> kInMemory{
    {2, 4, 2, 33, 20, 17, 40, 5, 4, 13},
    {1, 2, 1, 5, 70, 80, 66, 9, 12, 7},
    {1, 1, 1, 7, 1030, 8, 8, 4, 3, 8},
};
/// Nq = N: a chunk, less than one, several and a part.
const std::vector<Shape> kCausal{
    {1, 4, 2, 150, 150, 8, 12, 5, 3, 6},
    {2, 2, 1, 64, 64, 33, 32, 4, 10, 9},
    {1, 1, 1, 1, 1, 64, 64, 3, 8, 5},
    {1, 2, 2, 66, 66, 72, 16, 6, 8, 4},
};

/// d = dv = 128, Nq = N, for a map of each kind: a table, coordinates, projections with a maximum.
const std::vector<Shape> kLargeHeads{{1, 2, 1, 20, 20, 128, 128, 4, 8, 8}};

/// Three sequences of one size, which are a batch, an empty and a short one.
const Shape kPackedShape{1, 4, 2, 70, 70, 8, 12, 5, 3, 6};
const std::vector<int64_t> kBegins{0, 20, 20, 37, 40, 70};

ops::Spec psi_spec(const char* psi, const char* activation) {
  ops::Spec spec;
  spec.psi = psi;
  spec.activation = activation;
  return spec;
}

std::vector<ops::Spec> psi_maps() {
  return {psi_spec("pwl", "relu"),   psi_spec("pwl", "leaky_relu"), psi_spec("pwl", "hardtanh"),
          psi_spec("dense", "relu"), psi_spec("dense", "gelu"),     psi_spec("dense", "silu")};
}

std::vector<ops::Spec> fixed_maps(const std::vector<std::string>& names) {
  std::vector<ops::Spec> maps;
  for (const std::string& name : names) {
    maps.emplace_back();
    maps.back().feature_map = name;
  }
  return maps;
}

/// The maps that the batched passes inline.
std::vector<ops::Spec> inlined_maps() {
  std::vector<ops::Spec> maps = psi_maps();
  const std::vector<ops::Spec> fixed =
      fixed_maps({"elu", "relu", "performer", "performer:hyperbolic"});
  maps.insert(maps.end(), fixed.begin(), fixed.end());
  return maps;
}

std::vector<ops::Spec> large_head_maps() {
  std::vector<ops::Spec> maps = fixed_maps({"elu", "performer"});
  maps.push_back(psi_spec("pwl", "relu"));
  return maps;
}

std::vector<ops::Spec> all_maps(const std::vector<std::string>& names) {
  std::vector<ops::Spec> maps = psi_maps();
  const std::vector<ops::Spec> fixed = fixed_maps(names);
  maps.insert(maps.end(), fixed.begin(), fixed.end());
  return maps;
}

std::vector<Case> each_on_each(const std::vector<ops::Spec>& maps, const std::vector<Shape>& shapes,
                               bool causal) {
  std::vector<Case> cases;
  for (const Shape& shape : shapes) {
    for (const ops::Spec& map : maps) {
      Case c;
      c.shape = shape;
      c.seed = 11 + cases.size();
      c.spec = map;
      c.spec.causal = causal;
      cases.push_back(c);
    }
  }
  return cases;
}

std::vector<Case> packed(const std::vector<ops::Spec>& maps, bool causal) {
  std::vector<Case> cases = each_on_each(maps, {kPackedShape}, causal);
  for (Case& c : cases) {
    c.begins = kBegins;
    c.mask = c.seed % 2 ? MaskKind::random : MaskKind::none;
  }
  return cases;
}

/// Random options (envelope, ch_rms, mask, layout, denominator, ...) on shapes that the interpreter
/// is done with soon.
std::vector<Case> fitting(std::vector<Case> cases) {
  cases.erase(std::remove_if(cases.begin(), cases.end(),
                             [](const Case& c) {
                               const Shape& s = c.shape;
                               return s.B * s.H * (s.N + s.Nq) > 300;
                             }),
              cases.end());
  return cases;
}

/// The same, causal.
std::vector<Case> causal(std::vector<Case> cases) {
  for (size_t k = 0; k < cases.size(); k++) {
    cases[k].shape.N = cases[k].shape.Nq = std::vector<int64_t>{7, 63, 64, 65, 100}[k % 5];
    cases[k].spec.causal = true;
    cases[k].spec.ch_rms_target = 0.0;
  }
  return fitting(cases);
}

const std::vector<std::string> kCausalMaps = causal_map_names();

INSTANTIATE_TEST_SUITE_P(Inlined, CudaAccuracy,
                         ::testing::ValuesIn(each_on_each(inlined_maps(), kInlined, false)));
INSTANTIATE_TEST_SUITE_P(InMemory, CudaAccuracy,
                         ::testing::ValuesIn(each_on_each(all_maps(fused_map_names()), kInMemory,
                                                          false)));
INSTANTIATE_TEST_SUITE_P(Causal, CudaAccuracy,
                         ::testing::ValuesIn(each_on_each(all_maps(kCausalMaps), kCausal, true)));
INSTANTIATE_TEST_SUITE_P(LargeHeads, CudaAccuracy,
                         ::testing::ValuesIn(each_on_each(large_head_maps(), kLargeHeads, false)));
INSTANTIATE_TEST_SUITE_P(CausalLargeHeads, CudaAccuracy,
                         ::testing::ValuesIn(each_on_each(large_head_maps(), kLargeHeads, true)));
INSTANTIATE_TEST_SUITE_P(Packed, CudaAccuracy,
                         ::testing::ValuesIn(packed(all_maps(fused_map_names()), false)));
INSTANTIATE_TEST_SUITE_P(PackedCausal, CudaAccuracy,
                         ::testing::ValuesIn(packed(all_maps(kCausalMaps), true)));
INSTANTIATE_TEST_SUITE_P(Luna, CudaAccuracy,
                         ::testing::ValuesIn(fitting(random_luna_cases(150, 3))));
INSTANTIATE_TEST_SUITE_P(Fixed, CudaAccuracy,
                         ::testing::ValuesIn(fitting(random_fixed_cases(120, 4))));
INSTANTIATE_TEST_SUITE_P(CausalLuna, CudaAccuracy,
                         ::testing::ValuesIn(causal(random_luna_cases(40, 5))));
INSTANTIATE_TEST_SUITE_P(CausalFixed, CudaAccuracy,
                         ::testing::ValuesIn(causal(random_fixed_cases(80, 6, kCausalMaps))));

}  // namespace
}  // namespace luna::test
