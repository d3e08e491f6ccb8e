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
  std::vector<std::string> problems;  ///< damaged files and figures that could not be drawn
  bool usable() const { return done > 0; }
};

/// Writes the report. Same files in, same bytes out. Each output is replaced in one step.
/// Throws std::runtime_error with one line when results/<tier> does not exist or `out` is not
/// writable.
ReportOutcome write_report(const ReportOptions& options);

}  // namespace luna::reports
