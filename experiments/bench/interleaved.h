// Timing through Google Benchmark.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace luna::bench {

struct TimedTask {
  std::string name;  ///< unique
  std::function<void()> run;
  int64_t calls = 1;            ///< calls that one sample is the mean of
  std::vector<double> samples;  ///< filled: seconds a call, one a repetition
};

/// Fills the samples of every task, `repetitions` each. Google Benchmark runs the repetitions of
/// all tasks in one random order (its random interleaving), so that noise and clock changes of the
/// machine meet all alike; the number of calls is given, not searched by it, so that a budget can
/// be kept and no call is wasted on slow tasks.
void sample_interleaved(std::vector<TimedTask>& tasks, int64_t repetitions);

}  // namespace luna::bench
