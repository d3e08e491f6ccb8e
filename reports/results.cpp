#include "reports/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "reports/fields.h"
#include "reports/layout.h"

namespace luna::reports {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::optional<std::string> read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string shown(const fs::path& path, const fs::path& root) {
  return path.lexically_relative(root).generic_string();
}

/// The JSON object in a file; null when it is absent, null and a problem when it is damaged.
json read_object(const fs::path& path, const fs::path& root, std::vector<std::string>& problems) {
  const auto text = read_text(path);
  if (!text) return {};
  json value = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (value.is_object()) return value;
  problems.push_back(
      fmt::format("{}: not a JSON object (damaged or truncated)", shown(path, root)));
  return {};
}

MetricRow metric_row(const json& line) {
  MetricRow row;
  row.step = integer(line, "step").value_or(0);
  row.split =
      line.contains("split") && line["split"].is_string() ? line["split"].get<std::string>() : "";
  row.loss = number(line, "loss");
  row.accuracy = share(line, "accuracy");
  row.learning_rate = number(line, "lr");
  row.grad_norm = number(line, "grad_norm");
  row.min_denominator = number(line, "min_denominator");
  row.dead_features = number(line, "dead_features");
  return row;
}

std::vector<MetricRow> read_metrics(const fs::path& path, const fs::path& root,
                                    std::vector<std::string>& problems) {
  std::vector<MetricRow> rows;
  std::ifstream file(path);
  std::string text;
  int64_t line_number = 0, damaged = 0, first_damaged = 0;
  while (std::getline(file, text)) {
    ++line_number;
    if (text.empty()) continue;
    const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (line.is_object() && integer(line, "step")) {
      rows.push_back(metric_row(line));
    } else if (++damaged == 1) {
      first_damaged = line_number;
    }
  }
  if (damaged > 0) {
    problems.push_back(fmt::format("{}: {} damaged line{}, first at line {}; left out",
                                   shown(path, root), damaged, damaged == 1 ? "" : "s",
                                   first_damaged));
  }
  return rows;
}

void read_done(const fs::path& folder, const fs::path& root, CellRun& run,
               std::vector<std::string>& problems) {
  const json done = read_object(folder / "DONE", root, problems);
  run.test_accuracy = share(done, "test_accuracy");
  if (!run.test_accuracy) {
    run.state = RunState::kDamaged;
    run.note = "DONE is damaged: no test_accuracy in [0, 1]";
    if (done.is_object())
      problems.push_back(shown(folder / "DONE", root) + ": no test_accuracy in [0, 1]");
    return;
  }
  run.state = RunState::kDone;
  run.validation_accuracy = share(done, "validation_accuracy");
  run.majority_class = share(done, "majority_class");
  run.seconds = number(done, "seconds");
  run.steps = integer(done, "steps");
  run.parameters = integer(done, "parameters");
  run.test_examples = integer(done, "test_examples");
  run.data = member(done, "data");
  run.psi = member(done, "psi");
}

/// First line of the runner's FAILED marker: {"reason": ...} or plain text.
std::string failure_reason(const fs::path& marker) {
  const std::string text = read_text(marker).value_or("");
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_object() && value.contains("reason") && value["reason"].is_string()) {
    return value["reason"].get<std::string>();
  }
  return text.substr(0, text.find('\n'));
}

CellRun read_run(const fs::path& folder, const fs::path& root, CellRun run,
                 std::vector<std::string>& problems) {
  run.metrics = read_metrics(folder / "metrics.jsonl", root, problems);
  run.environment = read_object(folder / "env.json", root, problems);
  if (fs::exists(folder / "DONE")) {
    read_done(folder, root, run, problems);
  } else if (fs::exists(folder / "FAILED")) {
    run.state = RunState::kFailed;
    run.note = failure_reason(folder / "FAILED");
  } else {
    run.state = RunState::kPartial;
    run.note =
        fmt::format("stopped after step {}", run.metrics.empty() ? 0 : run.metrics.back().step);
  }
  return run;
}

/// Whether it is one; adds what it comprises, of a damaged one as far as it goes.
bool is_plan(const json& plan, Layout& layout) {
  try {
    add_planned(plan, layout);
  } catch (const json::exception&) {
    return false;
  }
  return !layout.experiments.empty();
}

/// plan.json; null when it is absent, null and a problem when it is damaged.
json read_plan(const fs::path& root, Layout& layout, Results& results) {
  const fs::path path = root / results.tier / "plan.json";
  const auto text = read_text(path);
  if (!text) return {};
  json plan = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (is_plan(plan, layout)) return plan;
  results.plan_damaged = true;
  results.problems.push_back(fmt::format(
      "{}: no plan (damaged or truncated), so cells that never ran are not known; `luna run --tier "
      "{} --results {}` makes it again",
      shown(path, root), results.tier, root.string()));
  return {};
}

}  // namespace

std::vector<const CellRun*> Results::of(const std::string& experiment) const {
  std::vector<const CellRun*> found;
  for (const CellRun& run : runs) {
    if (run.experiment == experiment) found.push_back(&run);
  }
  return found;
}

Results read_results(const fs::path& root, const std::string& tier) {
  Results results;
  results.tier = tier;
  const fs::path folder = root / tier;
  Layout layout;
  const json plan = read_plan(root, layout, results);
  add_present(folder, layout);
  results.experiments = layout.experiments;
  for (const std::string& experiment : layout.experiments) {
    results.searches[experiment] =
        read_searches(plan, experiment, layout.cells.at(experiment),
                      shown(folder / "plan.json", root), results.problems);
    for (const std::string& cell : layout.cells.at(experiment)) {
      for (const int64_t seed : layout.seeds.at({experiment, cell})) {
        CellRun run;
        run.experiment = experiment;
        run.cell = cell;
        run.seed = seed;
        run.note = "not run";
        const fs::path path = folder / experiment / cell / fmt::format("seed_{}", seed);
        if (fs::is_directory(path)) run = read_run(path, root, std::move(run), results.problems);
        results.runs.push_back(std::move(run));
      }
    }
  }
  results.bench = read_object(folder / "bench.json", root, results.problems);
  return results;
}

}  // namespace luna::reports
