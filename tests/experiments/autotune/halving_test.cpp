// Who goes on, and what counts as a gain.
#include "experiments/autotune/halving.h"

#include <gmock/gmock.h>

#include "experiments/autotune/schedule_file.h"
#include "tests/support/temporary_folder.h"

namespace luna::autotune {
namespace {

using luna::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Halving, ClimbsUntilOneIsLeft) {
  EXPECT_EQ(rungs_of(1), 1);
  EXPECT_EQ(rungs_of(2), 2);
  EXPECT_EQ(rungs_of(3), 2);
  EXPECT_EQ(rungs_of(4), 3);
  EXPECT_EQ(rungs_of(27), 4);
}

TEST(Halving, TheBetterThirdByMedianGoesOn) {
  const TemporaryFolder folder;
  State state(folder.path() / "state.json", "key");
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  const double medians[] = {1.0, 0.9, 1.1, 0.8};
  for (size_t i = 0; i < names.size(); ++i) {
    for (const double ratio : {0.1, medians[i], 5.0}) state.add("p", names[i], ratio);
  }
  EXPECT_THAT(better_third(state, "p", names), ElementsAre("d", "b"));
  EXPECT_THAT(better_third(state, "p", {"a", "c"}), ElementsAre("a"));
}

TEST(Halving, AGainIsSureAndAPercent) {
  const auto around = [](double ratio, double spread) {
    std::vector<double> ratios;
    for (int i = 0; i < 21; ++i) ratios.push_back(ratio + spread * (i - 10) / 10);
    return verdict(ratios);
  };
  EXPECT_TRUE(around(0.9, 0.05).gain());
  EXPECT_FALSE(around(0.995, 0.001).gain()) << "less than a percent";
  EXPECT_FALSE(around(0.97, 0.5).gain()) << "noise";
  EXPECT_FALSE(around(1.1, 0.01).gain());
}

Tunable tunable(const std::string& pipeline) {
  return {pipeline, "g", "cpu", {"t"}, {}, {}, {}, {{"unroll", {1, 2}}}};
}

TEST(ScheduleFile, HoldsGainsOnly) {
  const std::vector<Tuned> tuned = {
      {tunable("p"), {{"unroll", 2}}, {0.9, 0.88, 0.92, 30}, 2e-3, 1.8e-3},
      {tunable("q"), {{"unroll", 1}}, {1.05, 1.0, 1.1, 30}}};
  const auto file = schedule("cpu", "A CPU, family 1", {{"halide", "21"}}, tuned);
  EXPECT_EQ(file["device"], "A CPU, family 1");
  EXPECT_EQ(file["pipelines"].size(), 1u);
  EXPECT_EQ(file["pipelines"]["p"]["parameters"]["unroll"], 2);
  EXPECT_EQ(file["pipelines"]["p"]["seconds_before"], 2e-3);
  EXPECT_EQ(file["pipelines"]["p"]["seconds_after"], 1.8e-3);
  EXPECT_TRUE(schedule("cpu", "X", {}, {tuned[1]}).is_null());
  EXPECT_EQ(file_name("A CPU, family 1"), "a_cpu_family_1.json");
  EXPECT_THAT(report(tuned),
              HasSubstr("unroll=1 -> unroll=2: 2.0000 -> 1.8000 ms, 0.900 of the time (0.880 to "));
  EXPECT_THAT(report(tuned), HasSubstr("no gain: unroll=1 stays (best other 1.050"));
}

TEST(ScheduleFile, KeepsWhatWasNotTunedNow) {
  const auto gain = [](const char* name) {
    return Tuned{tunable(name), {{"unroll", 2}}, {0.9, 0.88, 0.92, 30}};
  };
  const Tuned none{tunable("p"), {{"unroll", 1}}, {1.05, 1.0, 1.1, 30}};
  const auto first = schedule("cpu", "X", {{"halide", "20"}}, {gain("p"), gain("q")});
  const auto second = schedule("cpu", "X", {{"halide", "21"}}, {none, gain("r")}, first);
  EXPECT_FALSE(second["pipelines"].contains("p")) << "tuned again, without gain";
  EXPECT_EQ(second["pipelines"]["q"]["versions"]["halide"], "20");
  EXPECT_EQ(second["pipelines"]["r"]["versions"]["halide"], "21");
  EXPECT_EQ(schedule("cpu", "another", {}, {gain("r")}, first)["pipelines"].size(), 1u);
  for (const char* damaged :
       {"3", "{}", "{\"kind\": 3}", "{\"kind\": \"cpu\", \"device\": \"X\"}"}) {
    const auto before = nlohmann::json::parse(damaged);
    EXPECT_TRUE(schedule("cpu", "X", {}, {none}, before).is_null()) << damaged;
  }
  EXPECT_TRUE(schedule("cpu", "X", {}, {none}, schedule("cpu", "X", {}, {gain("p")})).is_null());
}

TEST(ScheduleFile, LosesNothingToAnOutcomeWithoutRounds) {
  const auto of = [](int unroll, int rounds, int64_t rows) {
    return Tuned{tunable("p"), {{"unroll", unroll}}, {0.9, 0.88, 0.92, rounds}, 2e-3, 1.8e-3, rows};
  };
  const auto before = schedule("cuda", "X", {{"halide", "20"}}, {of(2, 30, 0), of(1, 30, 4096)});
  EXPECT_EQ(schedule("cuda", "X", {{"halide", "20"}}, {of(1, 0, 0), of(1, 0, 4096)}, before),
            before);
  const auto half = schedule("cuda", "X", {{"halide", "21"}}, {of(1, 30, 0), of(1, 0, 4096)},
                             before)["pipelines"]["p"];
  EXPECT_FALSE(half.contains("parameters"));
  EXPECT_EQ(half["buckets"], before["pipelines"]["p"]["buckets"]);
  const auto again = schedule("cuda", "X", {{"halide", "21"}}, {of(2, 30, 0), of(1, 30, 4096)},
                              before)["pipelines"]["p"];
  EXPECT_EQ(again["buckets"].size(), 1u) << "measured again, in its place";
  EXPECT_EQ(again["buckets"][0]["versions"]["halide"], "21");
}

TEST(ScheduleFile, HoldsABucketWhereFewRowsWantAnotherSchedule) {
  const auto chosen = [](int unroll, int64_t rows) {
    return Tuned{tunable("p"), {{"unroll", unroll}}, {0.9, 0.88, 0.92, 30}, 2e-3, 1.8e-3, rows};
  };
  const auto both = schedule("cuda", "X", {}, {chosen(2, 0), chosen(1, 4096)})["pipelines"]["p"];
  EXPECT_EQ(both["parameters"]["unroll"], 2);
  EXPECT_EQ(both["buckets"].size(), 1u);
  EXPECT_EQ(both["buckets"][0]["rows"], 4096);
  EXPECT_EQ(both["buckets"][0]["parameters"]["unroll"], 1) << "the default, which 2 is in place of";
  const auto few = schedule("cuda", "X", {}, {chosen(1, 0), chosen(2, 4096)})["pipelines"]["p"];
  EXPECT_FALSE(few.contains("parameters"));
  EXPECT_EQ(few["buckets"][0]["parameters"]["unroll"], 2);
  const auto same = schedule("cuda", "X", {}, {chosen(2, 0), chosen(2, 4096)})["pipelines"]["p"];
  EXPECT_FALSE(same.contains("buckets"));
  EXPECT_TRUE(schedule("cuda", "X", {}, {chosen(1, 0), chosen(1, 4096)}).is_null());
  EXPECT_THAT(report({chosen(2, 4096)}), HasSubstr("up to 4096 rows: unroll=1 -> unroll=2"));
}

}  // namespace
}  // namespace luna::autotune
