// Which rows the full benchmark has, how it shares its time, and which rows it leaves out.
#include "experiments/bench/sweep.h"

#include <gtest/gtest.h>

#include <set>

#include "experiments/bench/admission.h"
#include "experiments/bench/budget.h"
#include "experiments/config/options.h"
#include "runtime/ops/fixed_maps.h"
#include "tests/support/error_of.h"

namespace luna::bench {
namespace {

using experiments::UsageError;
using testing::error_of;

std::set<std::string> keys_of(const std::vector<Group>& groups) {
  std::set<std::string> keys;
  for (const Group& group : groups) {
    for (const SweepRow& row : group.rows) EXPECT_TRUE(keys.insert(row.facts.key()).second);
  }
  return keys;
}

TEST(Sweep, SizesAreNamesOrNumbersOfTokens) {
  const std::vector<Size> sizes = sweep_sizes({"B", "4k", "100"});
  ASSERT_EQ(sizes.size(), 7u);
  EXPECT_EQ(sizes[0].N, 4096);
  EXPECT_EQ(sizes[0].d, 64);
  for (size_t i = 1; i < 7; ++i) {
    EXPECT_EQ(sizes[i].N, i <= 3 ? 4096 : 100);
    EXPECT_EQ(sizes[i].d, 32 << ((i - 1) % 3));
    EXPECT_EQ(sizes[i].B * sizes[i].H, 8);
  }
  EXPECT_EQ(sweep_sizes(usual_sweep()).size(), 3u + 6 * 3);
}

TEST(CudaSweep, SizesKeepAGpuBusy) {
  for (const Size& size : sweep_sizes({"256", "32k", "4k:128"}, c10::kCUDA)) {
    EXPECT_EQ(size.B * size.N, 65536) << size.name;
    EXPECT_EQ(size.H, 16);
    EXPECT_EQ(size.d, size.N == 4096 ? 128 : 64);
  }
  EXPECT_EQ(sweep_sizes({"128k"}, c10::kCUDA)[0].B, 1);
  for (const char* name : {"4k:65", "4k:", "C"}) {
    EXPECT_EQ(error_of<UsageError>([&] { sweep_sizes({name}, c10::kCUDA); }),
              std::string("unknown size '") + name +
                  "'; known: A, B, decode and numbers of tokens from 1 to 16384k such as 64 or 4k, "
                  "4k:32 and 4k:128 for other d than 64");
  }
}

/// B is 4k at d 64, and a file with a row twice is refused.
TEST(Sweep, HasEachRowOnce) {
  const auto keys = keys_of(sweep_groups(sweep_sizes({"B", "4k", "4096"}), {1}, "^luna/"));
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
  EXPECT_EQ(keys.size(), 3u * 2 * 2);  // d, causal or not, passes
}

std::set<std::string> names_of(const Group& group) {
  std::set<std::string> names;
  for (const SweepRow& row : group.rows) names.insert(row.facts.name);
  return names;
}

TEST(CudaSweep, HasEitherDtypeAndEachKernelOfSdpa) {
  const auto groups = sweep_groups(sweep_sizes({"4k"}, c10::kCUDA), {1}, "", c10::kCUDA);
  for (const SweepRow& row : groups[0].rows) {
    EXPECT_EQ(row.facts.dtype, row.dtype == at::kFloat ? "float32" : "bfloat16");
  }
  EXPECT_EQ(names_of(groups[0]),
            (std::set<std::string>{"luna", "elu", "relu", "performer", "listing1", "eager_elu",
                                   "sdpa_flash", "sdpa_cudnn", "sdpa_efficient", "sdpa_math"}));
  EXPECT_EQ(groups[0].rows.size(), names_of(groups[0]).size() * 2 * 2);
  EXPECT_EQ(groups[0].rows[0].facts.name, "luna");
  EXPECT_EQ(groups[0].rows[4].facts.name, "elu");
}

/// What time is too short for are the last groups.
TEST(CudaSweep, HasEveryMapAfterTheReportsOperatorsAtEverySize) {
  const std::vector<Size> sizes = sweep_sizes(usual_sweep(c10::kCUDA), c10::kCUDA);
  const auto groups = sweep_groups(sizes, {1}, "", c10::kCUDA);
  const size_t early = 1 + 2 * (sizes.size() - 1);  // causal and not, but of a decoding step
  ASSERT_EQ(groups.size(), early + 2 * (sizes.size() - 1));
  std::set<std::string> names;
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(names_of(groups[i]).count("luna"), i < early) << i;
    const std::set<std::string> more = names_of(groups[i]);
    names.insert(more.begin(), more.end());
    if (i > 0) {
      EXPECT_EQ(groups[i].causal, i % 2 == 0) << i;
    }
  }
  for (const Operator& op : all_operators(c10::kCUDA))
    EXPECT_EQ(names.count(op.name), 1u) << op.name;
  std::vector<int64_t> head_sizes;
  for (size_t i = 1; i < early; i += 2) head_sizes.push_back(groups[i].size.d);
  std::vector<int64_t> expected(9, 64);
  expected.insert(expected.end(), 6, 32);
  expected.insert(expected.end(), 6, 128);
  EXPECT_EQ(head_sizes, expected);
}

TEST(CudaSweep, AFilterChoosesAmongAllOperators) {
  EXPECT_EQ(keys_of(sweep_groups(sweep_sizes({"2k"}, c10::kCUDA), {1}, "^taylor2/.*d:64/forward/",
                                 c10::kCUDA)),
            (std::set<std::string>{"taylor2/B:32/H:16/N:2048/d:64/forward/threads:1",
                                   "taylor2/bfloat16/B:32/H:16/N:2048/d:64/forward/threads:1"}));
}

class UnknownSize : public ::testing::TestWithParam<const char*> {};

TEST_P(UnknownSize, IsRefused) {
  EXPECT_EQ(error_of<UsageError>([] { sweep_sizes({GetParam()}); }),
            std::string("unknown size '") + GetParam() +
                "'; known: A, B, decode and numbers of tokens from 1 to 16384k such as 64 or 4k");
}

INSTANTIATE_TEST_SUITE_P(Names, UnknownSize,
                         ::testing::Values("C", "", "0", "-1", "4K", "1.5", "99999999", "65536k"));

TEST(Sweep, HasEveryOperatorPassModeAndNumberOfThreads) {
  const auto keys = keys_of(sweep_groups(sweep_sizes({"64"}), {1, 2}, ""));
  EXPECT_EQ(keys.size(), all_operators().size() * 2 * 2 * 2 * 3);
  std::set<std::string> expected = {"luna", "listing1", "eager_elu", "sdpa_flash", "sdpa_math"};
  for (const ops::FixedMap& map : ops::fixed_maps()) {
    expected.insert(map.name);
    expected.insert(std::string("plain_") + map.name);
  }
  std::set<std::string> names;
  for (const Operator& op : all_operators()) names.insert(op.name);
  EXPECT_EQ(names, expected);
}

TEST(Sweep, DecodesOneTokenOfManySequences) {
  EXPECT_EQ(keys_of(sweep_groups(sweep_sizes({"decode"}), {2}, "luna|listing1")),
            (std::set<std::string>{"luna/B:512/H:8/N:1/d:64/causal/decode/threads:2",
                                   "listing1/B:512/H:8/N:1/d:64/causal/decode/threads:2"}));
}

TEST(Sweep, SaysWhatEachOperatorIs) {
  const std::vector<Group> groups = sweep_groups(sweep_sizes({"A"}), {1}, "");
  for (const SweepRow& row : groups.front().rows) {
    const std::string name = row.facts.name;
    const bool sdpa = name.rfind("sdpa_", 0) == 0;
    const bool eager =
        name == "listing1" || name.rfind("eager_", 0) == 0 || name.rfind("plain_", 0) == 0;
    EXPECT_EQ(row.facts.kind, sdpa ? "sdpa" : eager ? "eager" : "fused") << name;
  }
}

TEST(Sweep, FilterIsARegularExpressionOnKeys) {
  const auto sizes = sweep_sizes({"64", "A"});
  const auto keys = keys_of(sweep_groups(sizes, {1}, "^(luna|sdpa_math)/.*d:32/forward/"));
  EXPECT_EQ(keys, (std::set<std::string>{"luna/B:1/H:8/N:64/d:32/forward/threads:1",
                                         "sdpa_math/B:1/H:8/N:64/d:32/forward/threads:1",
                                         "luna/B:4/H:2/N:2048/d:32/forward/threads:1",
                                         "sdpa_math/B:4/H:2/N:2048/d:32/forward/threads:1"}));
  EXPECT_EQ(error_of<UsageError>([&] { sweep_groups(sizes, {1}, "lnua"); }),
            "--filter 'lnua' leaves no row");
  EXPECT_EQ(error_of<UsageError>([&] { sweep_groups(sizes, {1}, "("); }),
            "--filter '(' is no regular expression without back-references; put a backslash before "
            "what stands for itself");
  // Neither backtracks for ever nor recurses for every character.
  EXPECT_EQ(error_of<UsageError>([&] { sweep_groups(sizes, {1}, "(.*)*(.*)*(.*)*x$"); }),
            "--filter '(.*)*(.*)*(.*)*x$' leaves no row");
  EXPECT_EQ(error_of<UsageError>([&] { sweep_groups(sizes, {1}, std::string(100000, 'a')); }),
            "--filter has 100000 characters; up to 1000 are read");
}

TEST(Budget, IsSharedByRowsAndTokens) {
  const std::vector<Group> groups = sweep_groups(sweep_sizes({"16", "256"}), {1}, "luna/.*d:32");
  ASSERT_EQ(groups.size(), 4u);                           // causal and not
  EXPECT_DOUBLE_EQ(share_of(groups[0], groups, 60), 10);  // weights 2, 2, 4, 4
  EXPECT_DOUBLE_EQ(share_of(groups[3], {groups[3]}, 60), 60);
  EXPECT_EQ(repetitions_for(10, 0.6), 16);
  EXPECT_EQ(repetitions_for(10, 1e-3), 30);
  EXPECT_EQ(repetitions_for(10, 60), 5);
  EXPECT_EQ(repetitions_for(-1, 0.1), 5);
  EXPECT_EQ(repetitions_for(1, 0), 5);
}

TEST(Admission, ScalesACallToItsSize) {
  const Demand linear = scaled({0.5, 100}, 4, 4, false), scores = scaled({0.5, 100}, 16, 4, true);
  EXPECT_EQ(linear.seconds, 2);
  EXPECT_EQ(linear.bytes, 400);
  EXPECT_EQ(scores.seconds, 8);
  EXPECT_EQ(scores.bytes, 1600);
}

TEST(Admission, SaysWhatIsTooMuch) {
  const Limits limits{2, 1 << 30};
  EXPECT_EQ(refusal({2, 1 << 30}, limits), "");
  EXPECT_EQ(refusal({12.34, 0}, limits), "one call would take 12.3 s (limit 2)");
  EXPECT_EQ(refusal({12.34, 2.5 * (1 << 30)}, limits), "one call would take 2.5 GiB (limit 1.0)");
}

TEST(Admission, NamesAnOperatorsOwnRefusal) {
  Operator op = all_operators().front();
  op.apply = [](const Inputs&) -> at::Tensor { TORCH_CHECK(false, "no such mode\nsecond line"); };
  const Size size{"tiny", 1, 1, 20, 8, 3, 2, 5};
  Admission admission({1, 1});
  EXPECT_EQ(admission.refused(op, size, true), "no such mode");
  EXPECT_TRUE(admission.passed().empty());
}

TEST(Admission, ThrowsForAWrongOperator) {
  Operator op = all_operators().front();
  const auto right = op.apply;
  op.apply = [right](const Inputs& in) { return right(in) * 1.01; };
  const Size size{"tiny", 1, 1, 20, 8, 3, 2, 5};
  Admission admission({1, 1});
  const std::string error = error_of([&] { admission.refused(op, size, false); });
  EXPECT_EQ(error.rfind("bench: luna is wrong at d 8 (error 0.01, accepted ", 0), 0u) << error;
}

TEST(Admission, ThrowsForAStepThatLeavesAWrongState) {
  const Size size{"tiny", 2, 1, 1, 8, 3, 2, 5};
  for (Operator op : decode_operators()) {
    Admission admission({1, 1});
    EXPECT_EQ(admission.refused(op, size, true), "") << op.name;
    const auto right = op.apply;
    op.apply = [right](const Inputs& in) {
      const at::Tensor out = right(in);
      in.norm.mul_(1.01);
      return out;
    };
    EXPECT_NE(error_of([&] { Admission({1, 1}).refused(op, size, true); }), "no error") << op.name;
  }
}

TEST(Admission, LeavesOutWhatIsSlowAtItsSize) {
  const auto groups = sweep_groups(sweep_sizes({"1k", "64k"}), {1}, "plain_relu/.*d:32/forward/");
  Admission tight({1e-9, 1e12});
  EXPECT_EQ(tight.reason(groups[0].rows[0], groups[0]), "");  // too short to be asked
  const std::string reason = tight.reason(groups.back().rows[0], groups.back());
  EXPECT_NE(reason.find(" s (limit 1e-09)"), std::string::npos) << reason;
}

}  // namespace
}  // namespace luna::bench
