// What a tier comprises: experiments/lra/tiers.toml names its experiments, one file each; a file
// has [task], [model], [train] and, per tier, tables that override them. Tested in
// tests/experiments/runner.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/train/cell.h"

namespace luna::experiments {

/// What a cell costs where nothing was measured yet: for the estimate that is shown first.
struct Cost {
  std::map<std::string, double> seconds;  ///< by attention, "other" for the rest; one core
  double cell_mb = 0, data_mb = 0;
  double seconds_of(const std::string& attention) const;
};

/// The small grid of learning rates, the same for every attention.
struct Grid {
  std::vector<double> rates;  ///< ascending
  int64_t seed = 0;           ///< no seed of the table
};

inline constexpr double kMostRate = 1e3;  ///< greatest learning rate

struct Experiment {
  std::string name;
  std::vector<std::string> attentions;
  std::vector<int64_t> seeds;
  nlohmann::json task, model, train;    ///< tables as a cell has them
  std::map<std::string, double> rates;  ///< learning rates of single attentions
  std::vector<std::string> untuned;     ///< attentions that learning_rates.json lacks
  nlohmann::json searches;  ///< attention -> its entry in learning_rates.json; null without any
  Grid grid;
  Cost cost;

  CellConfig cell(const std::string& attention, int64_t seed) const;
};

struct Tier {
  std::string name;
  std::vector<Experiment> experiments;

  /// The layout that reports/results.h reads: what reports list even if it never ran, and every
  /// measured accuracy behind the learning rates.
  nlohmann::json plan() const;
};

/// Where learning rates chosen by `luna tune` are kept: beside the tiers file.
std::filesystem::path learning_rates_file(const std::filesystem::path& tiers_file);

/// Reads the tiers file, the experiments of `tier` and learning_rates.json. Throws UsageError for
/// unknown tiers, keys, tasks and attentions, naming the nearest.
Tier read_tier(const std::filesystem::path& tiers_file, const std::string& tier);

/// Throws UsageError, naming the nearest, for a tier that the tiers file lacks. Where there is no
/// such file every name is accepted.
void check_tier(const std::filesystem::path& tiers_file, const std::string& tier);

/// Names of all experiments and the tiers they belong to, in the file's order.
std::map<std::string, std::vector<std::string>> experiment_tiers(
    const std::filesystem::path& tiers_file);

/// Keeps what "experiment" or "experiment/attention" names; all when `only` is empty. Throws
/// UsageError for names that the tier lacks.
Tier select(Tier tier, const std::vector<std::string>& only);

}  // namespace luna::experiments
