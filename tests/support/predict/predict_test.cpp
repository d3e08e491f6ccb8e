// Predictions from instruction counts, and the self-test through the interpreter: what a user with
// a GPU runs, here without one.
#include "tests/support/predict/predict.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <set>
#include <stdexcept>
#include <tuple>

#include "experiments/autotune/candidate.h"
#include "experiments/bench/gate.h"
#include "experiments/bench/selftest.h"
#include "runtime/kernels/registry.h"
#include "tests/support/poison.h"
#include "tests/support/temporary_folder.h"

namespace luna::test {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;

const bench::Size kSize{"", 1, 1, 256, 64, 16, 8, 64};

autotune::Call call_of(const std::string& name, at::ScalarType dtype = at::kFloat,
                       bool causal = false) {
  for (const bench::Operator& op : bench::all_operators(c10::kCUDA)) {
    if (op.name == name) return {op, kSize.d, causal, dtype};
  }
  throw std::invalid_argument(name);
}

/// The passes over tokens of elu's forward, Halide's in any build: all but the sum of partial
/// states.
std::vector<Prediction> token_passes(const bench::Size& size) {
  std::vector<Prediction> all = predict(call_of("elu"), size, bench::Pass::kForward);
  all.erase(
      std::remove_if(all.begin(), all.end(),
                     [](const Prediction& one) { return one.pipeline == "state_total_cuda"; }),
      all.end());
  return all;
}

/// ns by pipeline, at so many tokens of one head that what is done once a head is little.
std::map<std::string, double> issue_ns(const autotune::Call& call, bench::Pass pass) {
  std::map<std::string, double> ns;
  bench::Size size = kSize;
  size.N = 1024;
  for (const Prediction& one : predict(call, size, pass)) ns[one.pipeline] = one.issue_ns();
  return ns;
}

TEST(Prediction, CountsEveryMultiplicationOfTheFormula) {
  const auto forward = token_passes(kSize);
  ASSERT_EQ(forward.size(), 2u);
  const double D = 64, columns = 64 + 1;
  EXPECT_EQ(forward[0].pipeline, "kv_state_elu_64_cuda");
  EXPECT_EQ(forward[1].pipeline, "apply_state_elu_64_cuda");
  for (const Prediction& one : forward) {
    const double least = D * columns / 32;
    EXPECT_GE(one.per_token(one.counts.fma), least) << one.pipeline;
    EXPECT_LE(one.per_token(one.counts.fma), 1.25 * least) << one.pipeline;
    EXPECT_GT(one.counts.total(), one.counts.fma);
  }
}

TEST(Prediction, IsTheSameForEveryNumberOfHeadsAndTokens) {
  bench::Size larger = kSize;
  larger.H = 2;
  larger.N = 1024;
  const auto one = token_passes(kSize), other = token_passes(larger);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_NEAR(one[i].issue_ns(), other[i].issue_ns(), 0.1 * one[i].issue_ns());
  }
}

/// Between the multiply-adds, which ptxas keeps, and all of PTX, of which moves go.
TEST(Prediction, CountsWhatIsIssued) {
  for (const Prediction& one : token_passes(kSize)) {
    if (!one.issued) GTEST_SKIP() << "no ptxas and nvdisasm";
    EXPECT_GT(one.issued_per_token(), one.per_token(one.counts.fma)) << one.pipeline;
    EXPECT_LT(one.issued_per_token(), one.per_token(one.counts.total())) << one.pipeline;
  }
}

/// A step multiplies twice for each number of its state, which it loads and stores once, with one
/// feature of each side beside it.
TEST(Prediction, CountsADecodingStep) {
  const bench::Size size{"", 8, 2, 1, 64, 16, 8, 64};
  const double D = 128, d = 64;
  int steps = 0;
  for (const Prediction& one : predict({bench::decode_operators().front(), 64, false, at::kFloat},
                                       size, bench::Pass::kDecode)) {
    EXPECT_EQ(one.pipeline.find("rows_decode_tail"), std::string::npos) << "D is whole blocks";
    if (one.pipeline != "rows_decode_cuda") continue;
    steps++;
    EXPECT_EQ(one.per_token(one.counts.fma), 2 * D * d / 32);
    EXPECT_GE(one.per_token(one.counts.global_memory), 4 * D * d / 32);
    EXPECT_LE(one.per_token(one.counts.global_memory), 1.05 * 4 * D * d / 32);
    const double state = D * d * sizeof(float) / 32;
    EXPECT_GE(one.sectors_per_token(), 2 * state);
    EXPECT_LE(one.sectors_per_token(), 1.35 * 2 * state) << "a feature of each side a row";
  }
  EXPECT_EQ(steps, 1);
}

class HalfPrecision : public ::testing::TestWithParam<std::tuple<const char*, at::ScalarType>> {};

/// 0.1 ns a token and head for state and apply each: what tensor cores are used for.
TEST_P(HalfPrecision, OnTensorCoresIsBelowATenthOfANanosecond) {
  const auto [map, dtype] = GetParam();
  const autotune::Call call = call_of(map, dtype);
  if (!has_own_kernels(call)) GTEST_SKIP() << "built without nvcc";
  const auto ns = issue_ns(call, bench::Pass::kForwardBackward);
  const std::string channels = call.op.map == "luna" ? "pwl8" : map;
  for (const char* pass : {"kv_state", "apply_state"}) {
    const std::string pipeline = fmt::format("{}_{}_64_{}_cuda", pass, channels, dtype_name(dtype));
    ASSERT_EQ(ns.count(pipeline), 1u) << pipeline;
    // (The backward pass has one over keys and one over queries.)
    EXPECT_LE(ns.at(pipeline), 2 * 0.1) << pipeline;
  }
}

INSTANTIATE_TEST_SUITE_P(Prediction, HalfPrecision,
                         ::testing::Combine(::testing::Values("luna", "elu", "relu", "relu2",
                                                              "identity"),
                                            ::testing::Values(at::kBFloat16, at::kHalf)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param),
                                              dtype_name(std::get<1>(info.param)));
                         });

/// At most what the recipe of one warp a block without tensor cores is predicted at, d 64, m 16, L
/// 8, float32: state 0.405, apply 0.414, gradient of one side 0.347 without sums for psi, which are
/// in it here.
TEST(Prediction, OfFloat32IsBelowTheOneWarpRecipe) {
  const autotune::Call luna = call_of("luna");
  const auto forward = issue_ns(luna, bench::Pass::kForward);
  if (!forward.count("kv_state_pwl8_64_f32_cuda")) GTEST_SKIP() << "built without nvcc";
  EXPECT_LE(forward.at("kv_state_pwl8_64_f32_cuda"), 0.405);
  EXPECT_LE(forward.at("apply_state_pwl8_64_f32_cuda"), 0.414);
  const auto backward = issue_ns(luna, bench::Pass::kForwardBackward);
  EXPECT_LE(backward.at("grad_params_pwl8_64_f32_cuda"), 2 * 0.347);
}

/// The same recipe's causal output, from queries on: 0.90. Tokens to rows, projections and features
/// are of both sides here, in one launch each.
TEST(Prediction, OfACausalOutputIsBelowTheOneWarpRecipe) {
  auto ns = issue_ns(call_of("luna", at::kFloat, true), bench::Pass::kForward);
  if (!ns.count("rows_apply_f32_cuda")) GTEST_SKIP() << "built without nvcc";
  const double of_queries = ns.at("rows_gather_cuda") / 3 +
                            (ns.at("rows_gradient_f32_cuda") + ns.at("features_pwl_cuda")) / 2;
  EXPECT_LE(of_queries + ns.at("rows_apply_f32_cuda") + ns.at("rows_scatter_cuda"), 0.90);
}

TEST(Prediction, HidesWhatNvccMakes) {
  const autotune::Call luna = call_of("luna");
  hide_cuda_cpp();
  const auto whole = issue_ns(luna, bench::Pass::kForward);
  const auto causal = issue_ns(call_of("luna", at::kFloat, true), bench::Pass::kForward);
  const bool half = has_own_kernels(call_of("luna", at::kBFloat16));
  kernels::hide_pipelines({});
  EXPECT_FALSE(half);
  EXPECT_THAT(whole, ElementsAre(Key("apply_state_pwl8_64_cuda"), Key("kv_state_pwl8_64_cuda"),
                                 Key("state_total_cuda")));
  EXPECT_EQ(causal.count("rows_apply_cuda"), 1u);
  EXPECT_EQ(causal.count("rows_gather_cuda"), 0u);
}

/// The last parameters of a space, compiled as `luna autotune` does it.
class CudaCandidate : public ::testing::TestWithParam<const char*> {
 protected:
  /// What `luna autotune` would make of the pipeline; skips where the build has none.
  void make() {
    const auto all = autotune::read_tunables(LUNA_TUNABLES, "cuda", GetParam());
    if (all.empty()) GTEST_SKIP() << "built without nvcc";
    ASSERT_EQ(all.front().pipeline, GetParam());
    const autotune::Parameters parameters = all.front().candidates().back();
    ASSERT_NE(parameters, all.front().defaults());
    const auto candidate = candidate_at(folder_.path(), all.front(), parameters);
    ASSERT_EQ(compile({LUNA_GENERATORS, LUNA_COMPILER}, all.front(), parameters, candidate), "");
    counted_ = load(candidate);
    calls_ = 0;
    kernels::replace_pipeline(GetParam(), [](void** arguments) {
      ++calls_;
      return counted_(arguments);
    });
  }
  void TearDown() override {
    kernels::replace_pipeline(GetParam(), nullptr);
    kernels::hide_pipelines({});
  }

  const luna::testing::TemporaryFolder folder_;
  static inline kernels::Pipeline counted_;
  static inline int calls_;
};

TEST_P(CudaCandidate, ComputesWhatTheDefaultDoes) {
  poison_fresh_memory();
  make();
  if (IsSkipped() || HasFatalFailure()) return;
  const PipelineCost cost = pipeline_cost(GetParam());
  EXPECT_GT(cost.ns, 0);
  ASSERT_FALSE(cost.launches.empty());
  EXPECT_GE(cost.launches.front().threads, 32);
  calls_ = 0;
  for (const autotune::Call* call : likely_calls(GetParam())) {
    if (calls_ > 0) break;
    const c10::Device device(c10::kCUDA, 0);
    const auto result = bench::check(bench::through(call->op, device), call->size(1, 100),
                                     call->causal, call->dtype);
    EXPECT_TRUE(result.passed()) << result.name << ": " << result.max_error;
  }
  EXPECT_GT(calls_, 0);
}

/// What a GPU is tuned for: every call runs, and between them they run every kind of pipeline.
TEST(TunedCalls, RunOnCuda) {
  std::set<std::string> seen;
  kernels::watch_pipelines([&](const std::string& name) { seen.insert(name); });
  for (const autotune::Call& call : autotune::tuned_calls(c10::kCUDA)) {
    const bench::Size size = call.size(1, 20);
    EXPECT_NO_THROW(call.task(size, call.tokens(size, c10::Device(c10::kCUDA, 0)))())
        << call.op.name << (call.causal ? ", causal" : "");
  }
  kernels::watch_pipelines({});
  for (const char* name :
       {"kv_state_elu_32_cuda", "grad_performer_64_cuda", "grad_sums_dense_silu8_64_cuda",
        "power_sum_pwl8_64_cuda", "token_maximum_performer_64_cuda", "features_grad_dpfp_cuda",
        "rows_sums_dense_gelu_cuda", "rows_decode_cuda"}) {
    EXPECT_EQ(seen.count(name), 1u) << name;
  }
}

std::string name_of(const ::testing::TestParamInfo<const char*>& info) { return info.param; }

INSTANTIATE_TEST_SUITE_P(Prediction, CudaCandidate,
                         ::testing::Values("kv_state_elu_32_cuda", "apply_state_pwl8_32_cuda",
                                           "grad_relu_32_cuda", "grad_sums_pwl8_32_cuda",
                                           "token_maximum_performer_32_cuda",
                                           "power_sum_pwl8_64_cuda", "features_pwl_cuda",
                                           "features_grad_dpfp_cuda", "features_taylor2_cuda",
                                           "features_dense_gelu_cuda", "rows_state_cuda",
                                           "rows_seen_cuda", "rows_scan_cuda", "rows_decode_cuda",
                                           "kv_state_pwl8_32_bf16_cuda", "grad_elu_64_f16_cuda",
                                           "rows_gradient_f32_cuda"),
                         name_of);

TEST(CudaSelftest, PassesThroughTheInterpreter) {
  poison_fresh_memory();
  for (const char* map : {"table", "performer"}) {
    const auto results = bench::selftest(c10::Device("cuda:0"), map, [](const std::string&) {});
    int run = 0;
    for (const bench::SelftestResult& result : results) {
      EXPECT_TRUE(result.passed())
          << result.map << ", " << result.mode << ": " << result.worst << " " << result.error;
      run += result.configurations;
    }
    EXPECT_GE(run, 9) << map;
  }
}

}  // namespace
}  // namespace luna::test
