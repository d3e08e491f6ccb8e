// Learning rates against numbers worked out by hand and torch's OneCycleLR.
#include "experiments/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace luna::experiments {
namespace {

TrainConfig config(const std::string& schedule, int64_t steps, int64_t warmup) {
  TrainConfig train;
  train.schedule = schedule;
  train.steps = steps;
  train.warmup = warmup;
  train.lr = 0.1;
  return train;
}

/// What a schedule gives at a step of 12, the first 4 of them warm-up.
struct Point {
  const char* schedule;
  int64_t step;
  double lr, beta1;
};

class Schedule : public ::testing::TestWithParam<Point> {};

TEST_P(Schedule, IsAsWorkedOutByHand) {
  const Point& p = GetParam();
  const StepRates rates = rates_at(config(p.schedule, 12, 4), p.step);
  EXPECT_NEAR(rates.lr, p.lr, 1e-15) << p.schedule << " step " << p.step;
  EXPECT_NEAR(rates.beta1, p.beta1, 1e-15) << p.schedule << " step " << p.step;
}

INSTANTIATE_TEST_SUITE_P(
    Points, Schedule,
    ::testing::Values(Point{"cosine", 0, 0.025, 0.9}, Point{"cosine", 3, 0.1, 0.9},
                      Point{"cosine", 4, 0.1, 0.9}, Point{"cosine", 8, 0.05, 0.9},
                      Point{"cosine", 10, 0.05 * (1 - std::sqrt(0.5)), 0.9},
                      Point{"floored_cosine", 0, 0.0325, 0.9}, Point{"floored_cosine", 3, 0.1, 0.9},
                      Point{"floored_cosine", 8, 0.07, 0.9},
                      Point{"floored_cosine", 10, 0.04 + 0.03 * (1 - std::sqrt(0.5)), 0.9},
                      Point{"one_cycle", 0, 0.004, 0.95}, Point{"one_cycle", 3, 0.1, 0.85},
                      Point{"one_cycle", 7, 0.05 + 0.5 * 4e-7, 0.9},
                      Point{"one_cycle", 11, 4e-7, 0.95}));

TEST(Schedule, WithoutWarmUpStartsAtItsPeak) {
  EXPECT_EQ(rates_at(config("cosine", 10, 0), 0).lr, 0.1);
  EXPECT_EQ(rates_at(config("floored_cosine", 10, 0), 0).lr, 0.1);
  EXPECT_EQ(rates_at(config("one_cycle", 10, 0), 0).lr, 0.1);
}

TEST(Schedule, IsFiniteWhereWarmUpIsAllThereIs) {
  for (const char* schedule : {"cosine", "floored_cosine", "one_cycle"}) {
    for (int64_t step = 0; step < 5; ++step) {
      const StepRates rates = rates_at(config(schedule, 5, 8), step);
      EXPECT_TRUE(rates.lr > 0 && rates.lr <= 0.1) << schedule << " step " << step;
    }
    EXPECT_TRUE(std::isfinite(rates_at(config(schedule, 1, 1), 0).lr)) << schedule;
  }
}

/// torch.optim.lr_scheduler.OneCycleLR(max_lr, total_steps, pct_start = warmup / total_steps,
/// anneal_strategy = "linear") as its source computes it, phase by phase.
StepRates torch_one_cycle(double max_lr, double total_steps, double warmup, double step) {
  const double initial = max_lr / 25, least = initial / 1e4;
  const double up = warmup / total_steps * total_steps - 1, end = total_steps - 1;
  const auto anneal = [](double from, double to, double pct) { return (to - from) * pct + from; };
  if (step <= up) return {anneal(initial, max_lr, step / up), anneal(0.95, 0.85, step / up)};
  const double pct = (step - up) / (end - up);
  return {anneal(max_lr, least, pct), anneal(0.85, 0.95, pct)};
}

TEST(Schedule, OneCycleIsTorchs) {
  const TrainConfig train = config("one_cycle", 50, 7);
  for (int64_t step = 0; step < 50; ++step) {
    const StepRates torchs = torch_one_cycle(0.1, 50, 7, static_cast<double>(step));
    const StepRates ours = rates_at(train, step);
    EXPECT_NEAR(ours.lr, torchs.lr, 1e-14) << step;
    EXPECT_NEAR(ours.beta1, torchs.beta1, 1e-14) << step;
  }
}

}  // namespace
}  // namespace luna::experiments
