// `luna report`: result files in, pages out.
#include <fmt/format.h>

#include "experiments/runner/commands.h"
#include "reports/report.h"

namespace luna::experiments {

int run(const PageOptions& options) {
  const Places& places = options.places;
  const reports::ReportOutcome outcome =
      reports::write_report({places.results, places.tier, options.out});
  for (const std::string& problem : outcome.problems) fmt::print(stderr, "{}\n", problem);
  if (outcome.done == 0) {
    fmt::print(stderr, "no cell in {} is finished; `luna run --tier {}` trains them\n",
               (places.results / places.tier).string(), places.tier);
  }
  fmt::print("{}: {}, {}\n", outcome.cells(), outcome.markdown.string(), outcome.html.string());
  return outcome.usable() ? 0 : 1;
}

}  // namespace luna::experiments
