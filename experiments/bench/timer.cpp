#include "experiments/bench/timer.h"

#include <algorithm>

namespace luna::bench {
namespace {

void visit(const std::function<void()>& task, const TimerOptions& options, Samples& samples) {
  const double begin = options.clock();
  double before = begin;
  do {
    task();
    const double after = options.clock();
    samples.seconds.push_back(after - before);
    before = after;
  } while (before - begin < options.visit_s);
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
  const double end = options.clock() + options.budget_s;
  for (const auto& task : tasks) task();
  std::vector<Samples> samples(tasks.size());
  for (int round = 0;; ++round) {
    for (size_t i = 0; i < tasks.size(); ++i) {
      if (round >= options.min_rounds && options.clock() >= end) return samples;
      visit(tasks[i], options, samples[i]);
    }
  }
}

}  // namespace luna::bench
