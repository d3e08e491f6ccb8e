#include "reports/rate_search.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/fields.h"

namespace luna::reports {
namespace {

using nlohmann::json;

json entries_of(const json& plan, const std::string& experiment) {
  for (const json& planned : member(plan, "experiments")) {
    if (member(planned, "name") == experiment) return member(planned, "learning_rates");
  }
  return {};
}

/// Empty when the entry has no trial or a damaged one.
std::vector<RateTrial> trials_of(const json& entry) {
  std::vector<RateTrial> trials;
  for (const json& point : member(entry, "grid")) {
    const auto rate = number(point, "lr");
    const auto accuracy = share(point, "validation_accuracy");
    if (!rate || *rate <= 0 || (!accuracy && member(point, "failed").is_null())) return {};
    trials.push_back({*rate, accuracy});
  }
  std::sort(trials.begin(), trials.end(),
            [](const RateTrial& a, const RateTrial& b) { return a.rate < b.rate; });
  return trials;
}

}  // namespace

std::vector<RateSearch> read_searches(const json& plan, const std::string& experiment,
                                      const std::vector<std::string>& cells,
                                      const std::string& shown,
                                      std::vector<std::string>& problems) {
  std::vector<RateSearch> searches;
  const json entries = entries_of(plan, experiment);
  for (const std::string& cell : cells) {
    const json entry = member(entries, cell.c_str());
    if (entry.is_null()) continue;
    std::vector<RateTrial> trials = trials_of(entry);
    if (trials.empty()) {
      problems.push_back(fmt::format("{}: the learning rates of {}/{} are damaged; left out", shown,
                                     experiment, cell));
      continue;
    }
    searches.push_back({cell, integer(entry, "seed"), integer(entry, "steps"), std::move(trials)});
  }
  return searches;
}

}  // namespace luna::reports
