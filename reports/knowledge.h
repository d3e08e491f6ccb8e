// What the report knows beside the results: the paper's table (reports/paper/lra_table1.toml) and
// what each experiment is (reports/experiments.toml). Both are compiled in, so a report needs no
// source tree.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace luna::reports {

struct PaperRow {
  std::string model;
  std::string attention;  ///< this repository's name for it; empty: none
  std::vector<double> values;
  std::string source;
};

struct PaperTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<PaperRow> rows;

  /// The paper's cell for an attention, in percent.
  std::optional<double> cell(const std::string& attention, const std::string& column) const;
};

struct ExperimentText {
  std::string title, what, unit;
  std::string stand_in;      ///< what the data is, where it stands in for other data; else empty
  std::string paper_column;  ///< empty: the paper has no such task
  std::map<std::string, std::string> protocol;  ///< tier -> difference from the paper, in words
};

struct TierText {
  std::vector<std::string> can, cannot;
};

PaperTable paper_table();
/// Texts of an experiment; an unknown one gets its own name as title.
ExperimentText experiment_text(const std::string& experiment);
TierText tier_text(const std::string& tier);

}  // namespace luna::reports
