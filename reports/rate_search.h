// How `luna tune` chose an attention's learning rate, from plan.json:
//   {"experiments": [{"name", "learning_rates": {ATTENTION: {"seed", "steps",
//     "grid": [{"lr", "validation_accuracy"} or {"lr", "failed"}]}}}]}
// Called by results.cpp; drawn by views/learning_rates.cpp.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace luna::reports {

struct RateTrial {
  double rate = 0;                 ///< positive
  std::optional<double> accuracy;  ///< on validation, a share in [0, 1]; empty: the trial failed
};

struct RateSearch {
  std::string cell;
  std::optional<int64_t> seed, steps;  ///< of every trial
  std::vector<RateTrial> trials;       ///< rates ascending
};

/// The searches of one experiment, in the order of `cells`; none where the plan has none. Entries
/// that cannot be used are left out and named in `problems` as of the file `shown`.
std::vector<RateSearch> read_searches(const nlohmann::json& plan, const std::string& experiment,
                                      const std::vector<std::string>& cells,
                                      const std::string& shown, std::vector<std::string>& problems);

}  // namespace luna::reports
