#include "experiments/runner/prepare.h"

#include <fmt/format.h>

namespace luna::experiments {

nlohmann::json task_options(const nlohmann::json& task) {
  nlohmann::json options = task;
  options.erase("name");
  return options;
}

void prepare_data(const Tier& tier, const std::filesystem::path& data) {
  for (const Experiment& experiment : tier.experiments) {
    const TaskEntry& entry = find_task(experiment.task.at("name"));
    entry.prepare(task_options(experiment.task), {data}, [&](const std::string& line) {
      fmt::print("{}: {}\n", experiment.name, line);
      std::fflush(stdout);
    });
  }
}

}  // namespace luna::experiments
