// Result files in, report.md and one self-contained report.html out. Called by `luna report`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace luna::reports {

struct ReportOptions {
  std::filesystem::path results = "results";  ///< the report reads results/<tier>
  std::string tier = "quick";
  std::filesystem::path out = "reports/out";  ///< created; report.md, report.html, figures/
};

struct ReportOutcome {
  std::filesystem::path markdown, html;
  int64_t done = 0, planned = 0;      ///< cells finished, cells known
  bool plan_damaged = false;          ///< cells that never ran are then not known
  std::vector<std::string> problems;  ///< damaged files and figures that could not be drawn
  /// "2 of 3 cells"; of how many is said only where the plan is whole or absent.
  std::string cells() const;
  bool usable() const { return done > 0 && !plan_damaged; }
};

/// Writes the report. Same files in, same bytes out. Each output is replaced in one step.
/// Throws std::runtime_error with one line when results/<tier> does not exist or `out` is not
/// writable.
ReportOutcome write_report(const ReportOptions& options);

}  // namespace luna::reports
