// `luna report`: result files in, pages out.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "experiments/runner/commands.h"
#include "reports/report.h"

namespace luna::experiments {
namespace {

struct PageOptions {
  Places places;
  std::filesystem::path out = "reports/out";
};

int run(const PageOptions& options) {
  const reports::ReportOutcome outcome =
      reports::write_report({options.places.results, options.places.tier, options.out});
  for (const std::string& problem : outcome.problems) fmt::print(stderr, "{}\n", problem);
  fmt::print("{} of {} cells: {}, {}\n", outcome.done, outcome.planned, outcome.markdown.string(),
             outcome.html.string());
  return outcome.usable() ? 0 : 1;
}

}  // namespace

Command add_report(CLI::App& root) {
  auto options = std::make_shared<PageOptions>();
  CLI::App* app = root.add_subcommand("report", "write report.md and report.html from results");
  options->places.add_tier(*app);
  options->places.add_results(*app);
  app->add_option("--out", options->out, "folder of the report")->capture_default_str();
  return {app, [options] { return run(*options); }};
}

}  // namespace luna::experiments
