#include "experiments/autotune/halving.h"

#include <algorithm>

#include "reports/bench/samples.h"

namespace luna::autotune {

int rungs_of(size_t candidates) {
  int rungs = 1;
  for (; candidates > 1; candidates = (candidates + 2) / 3) rungs++;
  return rungs;
}

std::vector<std::string> better_third(const State& state, const std::string& pipeline,
                                      const std::vector<std::string>& alive) {
  std::vector<std::pair<double, std::string>> ranked;
  for (const std::string& candidate : alive) {
    ranked.emplace_back(reports::median(state.ratios(pipeline, candidate)), candidate);
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.resize((ranked.size() + 2) / 3);
  std::vector<std::string> better;
  for (const auto& [ratio, candidate] : ranked) better.push_back(candidate);
  return better;
}

Verdict verdict(const std::vector<double>& ratios) {
  const std::vector<double> ones(ratios.size(), 1.0);
  const reports::Interval interval = reports::ratio_interval(ones, ratios);
  return {reports::median(ratios), interval.low, interval.high, static_cast<int>(ratios.size())};
}

}  // namespace luna::autotune
