#include "experiments/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace luna::experiments {
namespace {

constexpr double kPi = 3.14159265358979323846;

double between(double from, double to, double t) { return from + (to - from) * t; }

/// Share of the steps after the warm-up that lie before `step`, 0 at the first.
double decay(const TrainConfig& train, int64_t step) {
  const double rest = static_cast<double>(std::max<int64_t>(1, train.steps - train.warmup));
  return static_cast<double>(step - train.warmup) / rest;
}

StepRates one_cycle(const TrainConfig& train, int64_t step) {
  const double low = train.lr / 25, end = low / 1e4;
  const double peak = static_cast<double>(std::max<int64_t>(train.warmup, 1)) - 1;
  const double at = static_cast<double>(step), last = static_cast<double>(train.steps) - 1;
  if (at <= peak) {
    const double t = peak > 0 ? at / peak : 1;
    return {between(low, train.lr, t), between(0.95, 0.85, t)};
  }
  const double t = (at - peak) / (last - peak);
  return {between(train.lr, end, t), between(0.85, 0.95, t)};
}

}  // namespace

StepRates rates_at(const TrainConfig& train, int64_t step) {
  if (train.schedule == "one_cycle") return one_cycle(train, step);
  const bool floored = train.schedule == "floored_cosine";
  if (step < train.warmup) {
    const double t = static_cast<double>(step + 1) / static_cast<double>(train.warmup);
    return {train.lr * (floored ? 0.1 + 0.9 * t : t), train.beta1};
  }
  const double wave = 0.5 * (1 + std::cos(kPi * decay(train, step)));
  return {train.lr * (floored ? 0.4 + 0.6 * wave : wave), train.beta1};
}

}  // namespace luna::experiments
