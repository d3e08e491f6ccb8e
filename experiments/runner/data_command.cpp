// `luna data make|verify`: data sets of a tier or of single tasks.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/prepare.h"

namespace luna::experiments {
namespace {

using nlohmann::json;

struct DataOptions {
  Places places;
  std::vector<std::string> tasks;
};

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

int each_task(const DataOptions& options, decltype(TaskEntry::prepare) TaskEntry::*action) {
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

}  // namespace

Command add_data(CLI::App& root) {
  auto options = std::make_shared<DataOptions>();
  CLI::App* app = root.add_subcommand("data", "make or verify data sets");
  app->require_subcommand(0, 1);
  CLI::App* make = app->add_subcommand("make", "write the data sets that are not there");
  CLI::App* verify = app->add_subcommand("verify", "check files against their checksums");
  for (CLI::App* action : {make, verify}) {
    options->places.add_tier(*action);
    options->places.add_config(*action);
    options->places.add_data(*action);
    action->add_option("--task", options->tasks, "tasks with their default options, by comma")
        ->delimiter(',');
  }
  return {app, [options, make, app] {
            if (app->get_subcommands().empty()) throw UsageError("name a command: make, verify");
            return each_task(*options, make->parsed() ? &TaskEntry::prepare : &TaskEntry::verify);
          }};
}

}  // namespace luna::experiments
