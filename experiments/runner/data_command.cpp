// `luna data make|verify`: data sets of a tier or of single tasks.
#include <fmt/format.h>

#include "experiments/runner/commands.h"
#include "experiments/runner/prepare.h"

namespace luna::experiments {
namespace {

using nlohmann::json;

/// [task] tables: of the tier's experiments, or tasks with their defaults.
std::vector<json> task_tables(const DataOptions& options) {
  std::vector<json> tables;
  for (const std::string& name : options.tasks) tables.push_back({{"name", name}});
  if (!tables.empty()) return tables;
  for (const Experiment& experiment :
       read_tier(options.places.config, options.places.tier).experiments) {
    tables.push_back(experiment.task);
  }
  return tables;
}

}  // namespace

int run(const DataOptions& options) {
  const auto action = options.verify ? &TaskEntry::verify : &TaskEntry::prepare;
  for (const json& table : task_tables(options)) {
    const TaskEntry& entry = find_task(table.at("name"));
    (entry.*action)(task_options(table), {options.places.data}, [&](const std::string& line) {
      fmt::print("{}: {}\n", entry.name, line);
      std::fflush(stdout);
    });
    fmt::print("{}: ok\n", entry.name);
  }
  return 0;
}

}  // namespace luna::experiments
