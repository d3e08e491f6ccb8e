// Interleaved timing: every task is visited in turn, round after round, so that noise and clock
// changes of the machine meet all of them alike.
#pragma once

#include <functional>
#include <vector>

#include "experiments/bench/clock.h"

namespace luna::bench {

struct TimerOptions {
  double budget_s = 20;   ///< for everything: no visit begins after this
  double visit_s = 0.02;  ///< a visit calls its task until this has passed, at least once
  int min_rounds = 3;     ///< rounds after the untimed first one, budget or not
  std::function<double()> clock = seconds_now;
};

/// Seconds of every timed call, in order.
struct Samples {
  std::vector<double> seconds;
  double minimum() const;
  double median() const;
};

/// Calls every task once untimed, then times rounds. Result in the order of the tasks.
std::vector<Samples> time_interleaved(const std::vector<std::function<void()>>& tasks,
                                      const TimerOptions& options);

}  // namespace luna::bench
