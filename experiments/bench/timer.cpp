#include "experiments/bench/timer.h"

#include <algorithm>

#include "experiments/bench/clock.h"

namespace luna::bench {
namespace {

void visit(const std::function<void()>& task, double visit_s, Samples& samples) {
  const double begin = seconds_now();
  double before = begin;
  do {
    task();
    const double after = seconds_now();
    samples.seconds.push_back(after - before);
    before = after;
  } while (before - begin < visit_s);
}

}  // namespace

double Samples::minimum() const { return *std::min_element(seconds.begin(), seconds.end()); }

double Samples::median() const {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

std::vector<Samples> time_interleaved(const std::vector<std::function<void()>>& tasks,
                                      const TimerOptions& options) {
  for (const auto& task : tasks) task();
  std::vector<Samples> samples(tasks.size());
  const double begin = seconds_now();
  for (int round = 0; round < options.min_rounds || seconds_now() - begin < options.budget_s;
       ++round) {
    for (size_t i = 0; i < tasks.size(); ++i) visit(tasks[i], options.visit_s, samples[i]);
  }
  return samples;
}

}  // namespace luna::bench
