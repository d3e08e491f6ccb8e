// Reading results folders: whole, damaged, truncated, missing.
#include "reports/results.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/reports/made_results.h"

namespace luna::reports {
namespace {

using luna::testing::TemporaryFolder;
using luna::testing::write_cell;
using luna::testing::write_text;

const CellRun& run_of(const Results& results, const std::string& cell) {
  const auto it = std::find_if(results.runs.begin(), results.runs.end(),
                               [&](const CellRun& run) { return run.cell == cell; });
  if (it == results.runs.end()) throw std::runtime_error("no run of " + cell);
  return *it;
}

class ResultsTest : public ::testing::Test {
 protected:
  Results read() { return read_results(folder_.path(), "quick"); }
  std::filesystem::path cell(const std::string& attention) {
    return folder_.path() / "quick" / "recall" / attention / "seed_0";
  }
  TemporaryFolder folder_;
};

TEST_F(ResultsTest, ReadsAFinishedCell) {
  write_cell(folder_.path(), "recall", "luna", 3, 0.75);
  const Results results = read();
  ASSERT_EQ(results.runs.size(), 1u);
  const CellRun& run = results.runs.front();
  EXPECT_EQ(run.state, RunState::kDone);
  EXPECT_EQ(run.seed, 3);
  EXPECT_FALSE(results.plan_damaged);  // absent
  EXPECT_EQ(*run.test_accuracy, 0.75);
  EXPECT_EQ(*run.parameters, 71234);
  EXPECT_EQ(run.metrics.size(), 132u);
  EXPECT_EQ(run.metrics.back().split, "validation");
  EXPECT_TRUE(run.metrics.back().min_denominator.has_value());
  EXPECT_TRUE(results.problems.empty());
}

TEST_F(ResultsTest, NoFolderGivesNothing) {
  const Results results = read();
  EXPECT_TRUE(results.runs.empty());
  EXPECT_TRUE(results.problems.empty());
}

TEST_F(ResultsTest, PlannedCellsThatNeverRanAreKnown) {
  write_text(
      folder_.path() / "quick" / "plan.json",
      R"({"experiments": [{"name": "recall", "attentions": ["softmax", "elu"], "seeds": [0, 1]}]})");
  write_cell(folder_.path(), "recall", "elu", 0, 0.5);
  const Results results = read();
  ASSERT_EQ(results.runs.size(), 4u);
  EXPECT_EQ(results.runs[0].cell, "softmax");
  EXPECT_EQ(results.runs[0].state, RunState::kMissing);
  EXPECT_EQ(results.runs[2].state, RunState::kDone);
  EXPECT_EQ(results.runs[3].state, RunState::kMissing);
}

TEST_F(ResultsTest, UnfinishedAndFailedCellsSayWhy) {
  write_cell(folder_.path(), "recall", "elu", 0, 0.5);
  std::filesystem::remove(cell("elu") / "DONE");
  write_cell(folder_.path(), "recall", "luna", 0, 0.5);
  std::filesystem::remove(cell("luna") / "DONE");
  write_text(cell("luna") / "FAILED", R"({"reason": "loss is nan at step 7"})");
  const Results results = read();
  EXPECT_EQ(run_of(results, "elu").state, RunState::kPartial);
  EXPECT_EQ(run_of(results, "elu").note, "stopped after step 1200");
  EXPECT_EQ(run_of(results, "luna").state, RunState::kFailed);
  EXPECT_EQ(run_of(results, "luna").note, "loss is nan at step 7");
}

/// What a damaged DONE holds.
class DamagedDone : public ResultsTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(DamagedDone, IsNamedAndNotUsed) {
  write_cell(folder_.path(), "recall", "elu", 0, 0.5);
  write_text(cell("elu") / "DONE", GetParam());
  const Results results = read();
  EXPECT_EQ(run_of(results, "elu").state, RunState::kDamaged);
  ASSERT_EQ(results.problems.size(), 1u);
  EXPECT_NE(results.problems.front().find("quick/recall/elu/seed_0/DONE"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Contents, DamagedDone,
                         ::testing::Values("", "{\"test_accuracy\": 0.", "[1, 2]", "\xff\xfe\x01",
                                           "{\"test_accuracy\": \"0.5\"}",
                                           "{\"test_accuracy\": 1e999}",
                                           "{\"test_accuracy\": 50.0}", "{\"steps\": 3}"));

TEST_F(ResultsTest, DamagedMetricLinesAreLeftOutAndNamed) {
  write_cell(folder_.path(), "recall", "elu", 0, 0.5);
  write_text(cell("elu") / "metrics.jsonl",
             "{\"step\": 1, \"split\": \"train\", \"loss\": 2.5}\nnot json\n"
             "{\"step\": 2, \"split\": \"train\", \"loss\": null}\n{\"step\": 3, \"spl");
  const Results results = read();
  EXPECT_EQ(run_of(results, "elu").metrics.size(), 2u);
  EXPECT_FALSE(run_of(results, "elu").metrics[1].loss.has_value());
  ASSERT_EQ(results.problems.size(), 1u);
  EXPECT_EQ(results.problems.front(),
            "quick/recall/elu/seed_0/metrics.jsonl: 2 damaged lines, first at line 2; left out");
}

TEST_F(ResultsTest, DamagedPlanBenchAndEnvironmentAreNamed) {
  write_cell(folder_.path(), "recall", "elu", 0, 0.5);
  write_text(folder_.path() / "quick" / "plan.json", R"({"experiments": [{"name": 3}]})");
  write_text(folder_.path() / "quick" / "bench.json", "{");
  write_text(cell("elu") / "env.json", "");
  const Results results = read();
  EXPECT_EQ(results.problems.size(), 3u);
  EXPECT_EQ(run_of(results, "elu").state, RunState::kDone);
  EXPECT_TRUE(results.bench.is_null());
}

/// What a damaged plan.json holds.
class DamagedPlan : public ResultsTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(DamagedPlan, IsNamedWithItsCure) {
  write_cell(folder_.path(), "recall", "elu", 0, 0.5);
  write_text(folder_.path() / "quick" / "plan.json", GetParam());
  const Results results = read();
  EXPECT_TRUE(results.plan_damaged);
  EXPECT_EQ(results.problems, std::vector<std::string>{
                                  "quick/plan.json: no plan (damaged or truncated), so cells that "
                                  "never ran are not known; `luna run --tier quick --results " +
                                  folder_.path().string() + "` makes it again"});
}

INSTANTIATE_TEST_SUITE_P(Contents, DamagedPlan,
                         ::testing::Values("", "{", "[]", "{}", "\xff\xfe\x01",
                                           R"({"experiments": []})",
                                           R"({"experiments": [{"name": 3}]})"));

TEST_F(ResultsTest, FoldersThatAreNoSeedsAreIgnored) {
  for (const std::string name : {"seed_", "seed_x", "seed_99999999999999999999", "tmp"}) {
    std::filesystem::create_directories(folder_.path() / "quick" / "recall" / "elu" / name);
  }
  EXPECT_TRUE(read().runs.empty());
}

}  // namespace
}  // namespace luna::reports
