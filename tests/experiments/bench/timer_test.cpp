// The order of calls and the statistics; how long anything takes is not asserted.
#include "experiments/bench/timer.h"

#include <gtest/gtest.h>

namespace luna::bench {
namespace {

TEST(Samples, MinimumAndMedian) {
  EXPECT_EQ((Samples{{3, 1, 2}}.minimum()), 1);
  EXPECT_EQ((Samples{{3, 1, 2}}.median()), 2);
  EXPECT_EQ((Samples{{4, 1, 2, 10}}.median()), 3);
  EXPECT_EQ((Samples{{5}}.median()), 5);
}

TEST(Timer, CallsOnceUntimedThenVisitsInTurn) {
  std::string calls;
  TimerOptions options;
  options.budget_s = 0;
  options.visit_s = 0;  // one call a visit
  options.min_rounds = 3;
  const auto samples = time_interleaved({[&] { calls += 'a'; }, [&] { calls += 'b'; }}, options);
  EXPECT_EQ(calls, "abababab");
  ASSERT_EQ(samples.size(), 2u);
  for (const Samples& task : samples) {
    EXPECT_EQ(task.seconds.size(), 3u);
    EXPECT_GE(task.minimum(), 0);
  }
}

/// Calls of a task that takes a second, and of one that takes three, in a budget.
std::string calls_in(double budget_s, int min_rounds) {
  std::string calls;
  double now = 0;
  TimerOptions options;
  options.budget_s = budget_s;
  options.visit_s = 0;
  options.min_rounds = min_rounds;
  options.clock = [&] { return now; };
  const auto task = [&](char name, double seconds) {
    return [&calls, &now, name, seconds] { calls += name, now += seconds; };
  };
  time_interleaved({task('a', 1), task('b', 3)}, options);
  return calls;
}

/// The untimed round is inside the budget, and no visit begins after it.
TEST(Timer, KeepsItsBudgetToWithinAVisit) {
  EXPECT_EQ(calls_in(4, 0), "ab");
  EXPECT_EQ(calls_in(4.5, 0), "aba");
  EXPECT_EQ(calls_in(5.5, 0), "abab");
  EXPECT_EQ(calls_in(9.5, 0), "ababab");
  EXPECT_EQ(calls_in(4.5, 2), "ababab");
}

TEST(Timer, AVisitCallsUntilItsTimeHasPassed) {
  int64_t calls = 0;
  TimerOptions options;
  options.budget_s = 0;
  options.visit_s = 1e-3;
  options.min_rounds = 1;
  const auto samples = time_interleaved({[&] { ++calls; }}, options);
  double total = 0;
  for (const double seconds : samples[0].seconds) total += seconds;
  EXPECT_EQ(samples[0].seconds.size(), static_cast<size_t>(calls - 1));
  EXPECT_GE(total, 0.99e-3);  // samples of a visit follow each other without a gap
}

}  // namespace
}  // namespace luna::bench
