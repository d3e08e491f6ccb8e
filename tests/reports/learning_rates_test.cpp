// How learning rates were chosen: reading it from a plan, the figure and the sentence under it.
#include <gtest/gtest.h>

#include "reports/rate_search.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using nlohmann::json;

std::vector<RateSearch> read(const std::string& luna, std::vector<std::string>& problems) {
  const json plan = {
      {"experiments",
       json::array({{{"name", "other"}},
                    {{"name", "recall"}, {"learning_rates", {{"luna", json::parse(luna)}}}}})}};
  return read_searches(plan, "recall", {"softmax", "luna"}, "quick/plan.json", problems);
}

TEST(RateSearch, ReadsTrialsInOrderOfRates) {
  std::vector<std::string> problems;
  const auto searches = read(
      R"({"seed": 100, "steps": 12, "chosen": 2e-3, "grid": [{"lr": 4e-3, "failed": "nan"},
          {"lr": 2e-3, "validation_accuracy": 0.5, "seconds": 3.5}]})",
      problems);
  EXPECT_TRUE(problems.empty());
  ASSERT_EQ(searches.size(), 1u);
  EXPECT_EQ(searches[0].cell, "luna");
  EXPECT_EQ(searches[0].seed, 100);
  EXPECT_EQ(searches[0].steps, 12);
  ASSERT_EQ(searches[0].trials.size(), 2u);
  EXPECT_EQ(searches[0].trials[0].rate, 2e-3);
  EXPECT_EQ(searches[0].trials[0].accuracy, 0.5);
  EXPECT_FALSE(searches[0].trials[1].accuracy.has_value());
}

class DamagedSearch : public ::testing::TestWithParam<const char*> {};

TEST_P(DamagedSearch, IsNamedAndNotUsed) {
  std::vector<std::string> problems;
  EXPECT_TRUE(read(GetParam(), problems).empty());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0],
            "quick/plan.json: the learning rates of recall/luna are damaged; left out");
}

INSTANTIATE_TEST_SUITE_P(
    Entries, DamagedSearch,
    ::testing::Values("3", "{}", R"({"grid": []})", R"({"grid": 1})", R"({"grid": [1]})",
                      R"({"grid": [{"validation_accuracy": 0.5}]})",
                      R"({"grid": [{"lr": 0, "validation_accuracy": 0.5}]})",
                      R"({"grid": [{"lr": 1e-3}]})",
                      R"({"grid": [{"lr": 1e-3, "validation_accuracy": 50}]})"));

RateSearch search(const std::string& cell, std::optional<double> low, std::optional<double> high) {
  return {cell, 100, 1200, {{2.5e-4, low}, {4e-3, high}}};
}

struct Comparison {
  const char* name;
  std::vector<RateSearch> searches;
  std::optional<std::string> sentence;
};

class Sentence : public ::testing::TestWithParam<Comparison> {};

TEST_P(Sentence, ComparesAtPlainLunasWorstRate) {
  Results results;
  results.experiments = {"recall"};
  results.searches["recall"] = GetParam().searches;
  EXPECT_EQ(rate_sentence("recall", results), GetParam().sentence);
}

INSTANTIATE_TEST_SUITE_P(
    Searches, Sentence,
    ::testing::Values(
        Comparison{"high_rate",
                   {search("luna", 0.78, 0.218), search("luna-eps", 0.99, 0.931)},
                   "At a learning rate of 0.004 plain luna reached 21.8 %, luna-eps 93.1 % (one "
                   "seed, validation)."},
        Comparison{"low_rate",
                   {search("luna", 0.1, 0.8), search("luna-eps", 0.4, 0.9)},
                   "At a learning rate of 0.00025 plain luna reached 10.0 %, luna-eps 40.0 % (one "
                   "seed, validation)."},
        Comparison{"not_below", {search("luna", 0.5, 0.7), search("luna-eps", 0.5, 0.9)}, {}},
        Comparison{"eps_failed", {search("luna", 0.5, 0.2), search("luna-eps", 0.9, {})}, {}},
        Comparison{"luna_failed", {search("luna", {}, {}), search("luna-eps", 0.9, 0.9)}, {}},
        Comparison{"no_eps", {search("luna", 0.5, 0.2)}, {}},
        Comparison{"no_luna", {search("luna-eps", 0.5, 0.2)}, {}}, Comparison{"nothing", {}, {}}),
    [](const auto& info) { return info.param.name; });

TEST(LearningRates, OnlyTheDeepestFallIsTold) {
  Results results;
  results.experiments = {"image", "recall", "listops"};
  results.searches["image"] = {search("luna", 0.8, 0.7), search("luna-eps", 0.8, 0.75)};
  results.searches["recall"] = {search("luna", 0.8, 0.2), search("luna-eps", 0.9, 0.9)};
  EXPECT_FALSE(rate_sentence("image", results));
  EXPECT_TRUE(rate_sentence("recall", results));
  EXPECT_FALSE(rate_sentence("listops", results));
}

TEST(LearningRates, FigureHasALineAnAttention) {
  Results results;
  results.searches["recall"] = {search("luna", 0.8, 0.25), search("mean", 0.1, {})};
  results.searches["recall"][1].seed = 101;
  const Figure figure = rate_figure("recall", results).value();
  EXPECT_EQ(figure.caption,
            "Bound associative recall: validation accuracy against learning rate (seed 100, 101; "
            "steps 1,200). Chosen for each attention: the rate with its highest accuracy. "
            "Failed, so without a point: mean at 0.004.");
  ASSERT_EQ(figure.panels.size(), 1u);
  EXPECT_EQ(figure.panels[0].log_x, (std::vector<double>{2.5e-4, 4e-3}));
  ASSERT_EQ(figure.panels[0].series.size(), 2u);
  EXPECT_EQ(figure.panels[0].series[0].color, color_of("luna"));
  EXPECT_EQ(figure.panels[0].series[0].points.back(), std::make_pair(4e-3, 25.0));
  EXPECT_EQ(figure.panels[0].series[1].points.size(), 1u);
}

}  // namespace
}  // namespace luna::reports
