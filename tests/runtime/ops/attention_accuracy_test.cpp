// Forward and every gradient of the fused operators against float64 on random configurations, with
// outputs poisoned (NaN in all fresh memory), held to a multiple of eager float32's own error.
#include <algorithm>

#include "runtime/kernels/registry.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace luna::test {
namespace {

constexpr int kLunaCases = 120, kLinearCases = 40, kFixedCases = 200, kLongCases = 16,
              kLongTableCases = 12;
constexpr int kCausalLinearCases = 10, kCausalLunaCases = 40, kCausalFixedCases = 130;
constexpr int kDefaultCases = 30;  // of LUNA, and of the other maps
constexpr int kPackedLunaCases = 20, kPackedFixedCases = 50;

/// Piecewise-linear activations beside relu.
const std::vector<std::string> kLinear{"leaky_relu", "hardtanh"};

[[maybe_unused]] const bool kPrinted = print_worst_at_end();

class Accuracy : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { poison_fresh_memory(); }
};

/// Sequences that the CPU takes in segment form on both sides: up to a strip of it, up to a task,
/// beyond both, and the longest task.
std::vector<Case> long_cases() {
  const std::vector<int64_t> tokens = {640, 1024, 1025, 2048, 2100};
  std::vector<Case> cases = random_luna_cases(kLongCases, 3);
  for (size_t k = 0; k < cases.size(); k++) {
    Case& c = cases[k];
    c.shape.B = 1 + k % 2;
    c.shape.Hk = 1;
    c.shape.H = 1 + k / 2 % 2;
    c.shape.Nq = tokens[k % tokens.size()];
    c.shape.N = tokens[(k + k / tokens.size()) % tokens.size()];
    c.shape.hid = std::min<int64_t>(c.shape.hid, c.separate ? 4 : 48);
    c.spec.activation = std::vector<const char*>{"relu", "hardtanh", "leaky_relu"}[k % 3];
    c.spec.psi = "pwl";
  }
  // 261 segments: more than the search in registers holds.
  cases[0].shape.hid = 260;
  cases[0].shape.Nq = cases[0].shape.N = 2700;
  cases[0].separate = cases[0].spec.nonneg = false;
  cases[0].mask = MaskKind::random;
  // As many heads as it takes for tasks of all tokens.
  cases[1].shape.B = 2;
  cases[1].shape.H = cases[1].shape.Hk = 4;
  cases[1].shape.Nq = cases[1].shape.N = 4096;
  return cases;
}

/// LUNA's other psis in segment form, causal and not.
std::vector<Case> long_table_cases() {
  std::vector<Case> cases =
      random_fixed_cases(kLongTableCases, 6, {"luna-deep", "luna-deep:3", "luna-spline"});
  for (size_t k = 0; k < cases.size(); k++) {
    Shape& s = cases[k].shape;
    s.B = s.Hk = 1;
    s.H = 1 + k % 2;
    s.Nq = s.N = k % 4 < 2 ? 1025 : 2100;
    s.hid = std::min<int64_t>(s.hid, 12);
    cases[k].spec.causal = k / 3 % 2;
  }
  return cases;
}

/// Every option that causal attention has, on lengths around one and two chunks' (of 32 to 256
/// tokens) and beyond a strip's.
std::vector<Case> causal_cases() {
  const std::vector<int64_t> tokens = {0, 1, 7, 31, 64, 65, 127, 128, 129, 255, 256, 257, 513, 600};
  std::vector<Case> cases = random_luna_cases(kCausalLunaCases, 4);
  const std::vector<Case> linear = random_luna_cases(kCausalLinearCases, 8, kLinear);
  cases.insert(cases.end(), linear.begin(), linear.end());
  const std::vector<Case> fixed = random_fixed_cases(kCausalFixedCases, 5, causal_map_names());
  cases.insert(cases.end(), fixed.begin(), fixed.end());
  for (size_t k = 0; k < cases.size(); k++) {
    cases[k].shape.N = cases[k].shape.Nq = tokens[k % tokens.size()];
    cases[k].spec.causal = true;
    cases[k].spec.ch_rms_target = 0.0;
  }
  for (const size_t k : {size_t{3}, cases.size() - 2}) {
    cases[k].shape = {1, 2, 1, 2500, 2500, 16, 16, 4, 4, 8};  // three strips
  }
  return cases;
}

/// A row of sequences, empty and of one token among them; every other case causal.
std::vector<Case> packed_cases() {
  const std::vector<std::vector<int64_t>> begins = {
      {0, 5, 5, 6, 40},      {0, 0, 64, 129}, {0, 30, 60, 90, 90}, {0, 3},
      {0, 64, 65, 150, 160}, {0, 0},          {0, 256, 513, 1213}};
  std::vector<Case> cases = random_luna_cases(kPackedLunaCases, 6);
  const std::vector<Case> fixed = random_fixed_cases(kPackedFixedCases, 7, causal_map_names());
  cases.insert(cases.end(), fixed.begin(), fixed.end());
  for (size_t k = 0; k < cases.size(); k++) {
    Case& c = cases[k];
    c.begins = begins[k % begins.size()];
    c.shape.B = 1;
    c.shape.N = c.shape.Nq = c.begins.back();
    c.spec.causal = k % 2 == 1;
    if (c.spec.causal) c.spec.ch_rms_target = 0.0;
  }
  return cases;
}

/// Rows of a projection around whole vectors and around what they are padded to.
std::vector<Case> projection_cases() {
  std::vector<Case> cases =
      random_fixed_cases(35, 9, {"t2r", "hedgehog", "hedgehog:exp", "performer", "rff"});
  const std::vector<int64_t> rows = {1, 15, 16, 17, 31, 33, 48};
  for (size_t k = 0; k < cases.size(); k++) cases[k].shape.m = rows[k % rows.size()];
  return cases;
}

TEST_P(Accuracy, WithinAMultipleOfEager) { expect_within_bounds(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Luna, Accuracy, ::testing::ValuesIn(random_luna_cases(kLunaCases, 1)));
INSTANTIATE_TEST_SUITE_P(PiecewiseLinear, Accuracy,
                         ::testing::ValuesIn(random_luna_cases(kLinearCases, 7, kLinear)));
INSTANTIATE_TEST_SUITE_P(Long, Accuracy, ::testing::ValuesIn(long_cases()));
INSTANTIATE_TEST_SUITE_P(LongTables, Accuracy, ::testing::ValuesIn(long_table_cases()));
INSTANTIATE_TEST_SUITE_P(Causal, Accuracy, ::testing::ValuesIn(causal_cases()));
INSTANTIATE_TEST_SUITE_P(Packed, Accuracy, ::testing::ValuesIn(packed_cases()));
INSTANTIATE_TEST_SUITE_P(Fixed, Accuracy, ::testing::ValuesIn(random_fixed_cases(kFixedCases, 2)));
INSTANTIATE_TEST_SUITE_P(Projections, Accuracy, ::testing::ValuesIn(projection_cases()));

/// What a device has that nobody tuned for, in place of this one's own schedules.
TEST(DefaultSchedules, AreWithinAMultipleOfEagerToo) {
  poison_fresh_memory();
  const std::vector<std::string> names = kernels::tuned_pipelines();
  for (const std::string& name : names) {
    kernels::replace_pipeline(name, kernels::find_pipeline(
                                        name, [] { return ""; }, 0));
  }
  std::vector<Case> cases = random_luna_cases(kDefaultCases, 11);
  const std::vector<Case> fixed = random_fixed_cases(kDefaultCases, 12, causal_map_names());
  cases.insert(cases.end(), fixed.begin(), fixed.end());
  for (size_t k = 0; k < cases.size(); k++) {
    cases[k].spec.causal = k % 3 == 0;
    if (!cases[k].spec.causal) continue;
    cases[k].shape.Nq = cases[k].shape.N;
    cases[k].spec.ch_rms_target = 0.0;
  }
  for (const Case& c : cases) expect_within_bounds(c);
  for (const std::string& name : names) kernels::replace_pipeline(name, nullptr);
}

}  // namespace
}  // namespace luna::test
