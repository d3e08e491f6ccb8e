// Seeds of one attention on one experiment, their mean and spread, and the rule by which the report
// says that an attention learns with attention. Called by the views; tested in tests/reports.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/results.h"

namespace luna::reports {

/// All runs of one cell of one experiment. Scores are shares in [0, 1], finished seeds only.
struct CellSummary {
  std::string cell;
  std::vector<const CellRun*> runs;
  std::vector<double> scores;
  std::optional<double> mean;  ///< of the finished seeds; empty without one
  double lowest = 0, highest = 0;

  bool complete() const { return !runs.empty() && scores.size() == runs.size(); }
};

/// Groups an experiment's runs by cell, in their order.
std::vector<CellSummary> summarize(const std::vector<const CellRun*>& runs);

/// What an experiment's attentions are held against.
struct Controls {
  std::optional<double> majority_class;  ///< share of the commonest label in the test set
  std::optional<double> uniform;         ///< best seed of the `mean` cell: uniform attention
  std::optional<int64_t> test_examples;  ///< size of the test set

  /// The higher control; empty unless both are known.
  std::optional<double> best() const;
  /// Two standard errors of the difference of two accuracies near `accuracy` on test_examples each,
  /// 2 sqrt(2 p (1 - p) / n); 0 where the size of the test set is not known.
  double margin(double accuracy) const;
};

Controls controls_of(const std::vector<CellSummary>& cells);

enum class Verdict {
  kYes,        ///< every seed is above both controls by more than the margin
  kSomeSeeds,  ///< at least one is, not all
  kNo,         ///< none is
  kUnknown,    ///< a control or every seed is missing
};

/// Finished seeds above the better control plus the margin; empty where a control is missing.
std::optional<int64_t> seeds_above(const CellSummary& cell, const Controls& controls);

/// The rule. `mean` itself is a control and always kNo.
Verdict learns_with_attention(const CellSummary& cell, const Controls& controls);

}  // namespace luna::reports
