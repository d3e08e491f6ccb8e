// Reads a tier's results folder into plain structures. Everything the report knows comes from here:
//   results/<tier>/plan.json: what the tier comprises and how its learning rates were chosen
//     (written by `luna run`)
//   results/<tier>/<experiment>/<cell>/seed_<k>/: config.resolved.toml, env.json, metrics.jsonl,
//     DONE
//   results/<tier>/bench.json: written by `luna bench`
// A file that cannot be read never stops the report: it is named in Results::problems.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "reports/rate_search.h"

namespace luna::reports {

/// One line of metrics.jsonl. Fields that a line lacks, or that are not finite numbers, are empty.
struct MetricRow {
  int64_t step = 0;
  std::string split;  ///< train, validation, test
  std::optional<double> loss, accuracy, learning_rate, grad_norm, min_denominator, dead_features;
};

enum class RunState {
  kDone,     ///< DONE is there and readable
  kPartial,  ///< started, not finished
  kFailed,   ///< marked as failed by the runner (watchdog)
  kDamaged,  ///< DONE is there and cannot be used
  kMissing,  ///< planned, never started
};

/// One trained cell: an attention on an experiment with one seed.
struct CellRun {
  std::string experiment;
  std::string cell;
  int64_t seed = 0;
  RunState state = RunState::kMissing;
  std::string note;  ///< why it is not done; empty when done
  std::optional<double> test_accuracy, validation_accuracy, majority_class;  ///< shares in [0, 1]
  std::optional<double> seconds;
  std::optional<int64_t> steps, parameters, test_examples;
  nlohmann::json data;         ///< provenance, {"source", "sha256", ...}; null when unknown
  nlohmann::json psi;          ///< learned psi samples; null when the cell has none
  nlohmann::json environment;  ///< env.json; null when unknown
  std::vector<MetricRow> metrics;
};

struct Results {
  std::string tier;
  std::vector<std::string> experiments;  ///< in the plan's order
  std::vector<CellRun> runs;  ///< experiments' order, then the plan's attention order, then seed
  std::map<std::string, std::vector<RateSearch>> searches;  ///< by experiment, in its cells' order
  nlohmann::json bench;                                     ///< bench.json; null when there is none
  std::vector<std::string> problems;                        ///< one line per damaged file
  bool plan_damaged = false;  ///< what was planned and never ran is not in `runs`

  /// The runs of one experiment, in order.
  std::vector<const CellRun*> of(const std::string& experiment) const;
};

/// Reads root/tier. A tier folder that does not exist gives empty Results.
Results read_results(const std::filesystem::path& root, const std::string& tier);

}  // namespace luna::reports
