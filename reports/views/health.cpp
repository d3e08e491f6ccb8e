#include <fmt/format.h>

#include <algorithm>

#include "reports/knowledge.h"
#include "reports/views/format.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using kainjow::mustache::object;

/// Extremes of a run's log over all its steps.
struct Health {
  std::optional<double> min_denominator, dead_features, max_grad_norm;
};

Health health_of(const CellRun& run) {
  Health health;
  for (const MetricRow& row : run.metrics) {
    if (row.min_denominator) {
      health.min_denominator =
          std::min(health.min_denominator.value_or(*row.min_denominator), *row.min_denominator);
    }
    if (row.dead_features) health.dead_features = row.dead_features;
    if (row.grad_norm) {
      health.max_grad_norm =
          std::max(health.max_grad_norm.value_or(*row.grad_norm), *row.grad_norm);
    }
  }
  return health;
}

}  // namespace

View health_view(const Results& results) {
  View list(View::type::list);
  for (const std::string& experiment : results.experiments) {
    View rows(View::type::list);
    for (const CellRun* run : results.of(experiment)) {
      if (run->metrics.empty()) continue;
      const Health health = health_of(*run);
      rows << View(object{{"health_cell", run->cell},
                          {"health_seed", std::to_string(run->seed)},
                          {"min_denominator", compact(health.min_denominator)},
                          {"dead_features", percent(health.dead_features)},
                          {"max_grad_norm", compact(health.max_grad_norm)},
                          {"health_accuracy", percent(run->test_accuracy)}});
    }
    if (rows.is_empty_list()) continue;
    list << View(
        object{{"health_title", experiment_text(experiment).title}, {"health_rows", rows}});
  }
  return list;
}

}  // namespace luna::reports
