// A tuning run goes on from its file, whatever stopped it.
#include "experiments/autotune/state.h"

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace luna::autotune {
namespace {

using luna::testing::TemporaryFolder;
using luna::testing::write_text;
using ::testing::ElementsAre;

TEST(State, IsReadBack) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.json";
  {
    State state(file, "key");
    EXPECT_FALSE(state.resumed());
    state.settle("p", "a=1", "wrong");
    state.enter("p", 2, {"a=2", "a=3"});
    state.add("p", "a=2", 0.5);
    state.add("p", "a=2", 0.75);
    state.add_seconds("p", "a=1", 2.5);
    state.finish("q");
    state.save();
  }
  const State state(file, "key");
  EXPECT_TRUE(state.resumed());
  EXPECT_EQ(state.reason("p", "a=1"), "wrong");
  EXPECT_EQ(state.reason("p", "a=2"), "");
  EXPECT_EQ(state.rung("p"), 2);
  EXPECT_THAT(state.alive("p"), ElementsAre("a=2", "a=3"));
  EXPECT_THAT(state.ratios("p", "a=2"), ElementsAre(0.5, 0.75));
  EXPECT_THAT(state.ratios("p", "a=3"), ElementsAre());
  EXPECT_THAT(state.seconds("p", "a=1"), ElementsAre(2.5));
  EXPECT_TRUE(state.done("q"));
  EXPECT_FALSE(state.done("p"));
}

TEST(State, ForgetsTheRatiosThatChoseWhoIsInARung) {
  const TemporaryFolder folder;
  State state(folder.path() / "state.json", "key");
  state.add("p", "a=1", 0.5);
  state.add_seconds("p", "a=1", 2.5);
  state.enter("p", 1, {"a=1"});
  EXPECT_THAT(state.seconds("p", "a=1"), ElementsAre());
  EXPECT_THAT(state.ratios("p", "a=1"), ElementsAre());
}

/// Once may have been Ctrl-C.
TEST(State, SettlesWhatKilledTheProcessTwice) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.json";
  State(file, "key").try_now("p", "a=1");  // and no word of it afterwards
  State again(file, "key");
  EXPECT_EQ(again.reason("p", "a=1"), "");
  again.try_now("p", "a=1");
  const State state(file, "key");
  EXPECT_EQ(state.reason("p", "a=1"), "it killed the process twice");
}

TEST(State, ForgetsADeathOfWhatPassedAfterwards) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.json";
  State(file, "key").try_now("p", "a=1");
  State again(file, "key");
  again.try_now("p", "a=1");
  again.try_now("p", "");
  EXPECT_EQ(State(file, "key").reason("p", "a=1"), "");
}

TEST(State, BeginsAnewForAnotherKeyOrADamagedFile) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.json";
  State first(file, "key");
  first.finish("p");
  first.save();
  EXPECT_FALSE(State(file, "other").resumed());
  EXPECT_FALSE(State(file, "other").done("p"));
  write_text(file, R"({"key": "key", "pipel)");
  EXPECT_FALSE(State(file, "key").resumed());
}

TEST(State, BeginsAnewWhereAnEntryIsNotWhatItWrites) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.json";
  for (const char* entry :
       {"3", R"({"settled": 1})", R"({"settled": {"a=1": 2}})", R"({"trying": 1})",
        R"({"trying": "a=1", "deaths": {"a=1": "one"}})", R"({"alive": "a=1"})",
        R"({"alive": [1]})", R"({"rung": "x"})", R"({"ratios": {"a=1": 0.5}})",
        R"({"seconds": {"a=1": ["x"]}})", R"({"done": 1})"}) {
    write_text(file, R"({"key": "key", "pipelines": {"p": )" + std::string(entry) + "}}");
    const State state(file, "key");
    EXPECT_FALSE(state.resumed()) << entry;
    EXPECT_EQ(state.reason("p", "a=1"), "") << entry;
    EXPECT_THAT(state.alive("p"), ElementsAre()) << entry;
  }
}

}  // namespace
}  // namespace luna::autotune
