// The rule "learns with attention" and the numbers it rests on.
#include "reports/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace luna::reports {
namespace {

CellRun finished(const std::string& cell, int64_t seed, double accuracy) {
  CellRun run;
  run.experiment = "recall";
  run.cell = cell;
  run.seed = seed;
  run.state = RunState::kDone;
  run.test_accuracy = accuracy;
  run.majority_class = 0.10;
  return run;
}

std::vector<CellSummary> cells_of(const std::vector<CellRun>& runs) {
  std::vector<const CellRun*> pointers;
  for (const CellRun& run : runs) pointers.push_back(&run);
  return summarize(pointers);
}

/// Verdict on the first cell of the runs.
Verdict verdict(const std::vector<CellRun>& runs) {
  const auto cells = cells_of(runs);
  return learns_with_attention(cells.front(), controls_of(cells));
}

TEST(Statistics, MeanAndSpreadOfFinishedSeeds) {
  std::vector<CellRun> runs = {finished("elu", 0, 0.5), finished("elu", 1, 0.7),
                               finished("elu", 2, 0.9)};
  runs[2].state = RunState::kPartial;
  const CellSummary cell = cells_of(runs).front();
  EXPECT_DOUBLE_EQ(*cell.mean, 0.6);
  EXPECT_DOUBLE_EQ(cell.lowest, 0.5);
  EXPECT_DOUBLE_EQ(cell.highest, 0.7);
  EXPECT_FALSE(cell.complete());
}

TEST(Statistics, EverySeedMustBeAboveBothControls) {
  EXPECT_EQ(verdict({finished("elu", 0, 0.8), finished("elu", 1, 0.7), finished("mean", 0, 0.6)}),
            Verdict::kYes);
  EXPECT_EQ(verdict({finished("elu", 0, 0.8), finished("elu", 1, 0.5), finished("mean", 0, 0.6)}),
            Verdict::kSomeSeeds);
  EXPECT_EQ(verdict({finished("elu", 0, 0.55), finished("mean", 0, 0.6)}), Verdict::kNo);
  EXPECT_EQ(verdict({finished("elu", 0, 0.09), finished("mean", 0, 0.05)}), Verdict::kNo)
      << "below the majority class";
}

TEST(Statistics, TheBestSeedOfTheControlCounts) {
  EXPECT_EQ(verdict({finished("elu", 0, 0.65), finished("mean", 0, 0.6), finished("mean", 1, 0.7)}),
            Verdict::kNo);
}

TEST(Statistics, MissingControlsOrSeedsGiveNoVerdict) {
  EXPECT_EQ(verdict({finished("elu", 0, 0.9)}), Verdict::kUnknown);
  std::vector<CellRun> runs = {finished("elu", 0, 0.9), finished("mean", 0, 0.5)};
  runs[0].state = RunState::kFailed;
  EXPECT_EQ(verdict(runs), Verdict::kUnknown);
  runs[0].state = RunState::kDone;
  for (CellRun& run : runs) run.majority_class.reset();
  EXPECT_EQ(verdict(runs), Verdict::kUnknown);
}

TEST(Statistics, AnUnfinishedSeedKeepsYesAway) {
  std::vector<CellRun> runs = {finished("elu", 0, 0.9), finished("elu", 1, 0.9),
                               finished("mean", 0, 0.5)};
  runs[1].state = RunState::kPartial;
  EXPECT_EQ(verdict(runs), Verdict::kSomeSeeds);
}

TEST(Statistics, MarginIsTwoStandardErrorsOfADifference) {
  Controls controls;
  EXPECT_EQ(controls.margin(0.5), 0) << "unknown test size";
  controls.test_examples = 2000;
  EXPECT_NEAR(controls.margin(0.5), 2 * std::sqrt(2 * 0.25 / 2000), 1e-12);

  std::vector<CellRun> runs = {finished("elu", 0, 0.52), finished("mean", 0, 0.5)};
  EXPECT_EQ(verdict(runs), Verdict::kYes);
  for (CellRun& run : runs) run.test_examples = 2000;  // margin 3.2 points
  EXPECT_EQ(verdict(runs), Verdict::kNo);
}

TEST(Statistics, UniformAttentionIsNeverSaidToLearn) {
  EXPECT_EQ(verdict({finished("mean", 0, 0.99)}), Verdict::kNo);
}

}  // namespace
}  // namespace luna::reports
