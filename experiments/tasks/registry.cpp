// The tasks by name. A new task is one file and one line here.
#include <algorithm>

#include "experiments/config/options.h"
#include "experiments/tasks/entries.h"

namespace luna::experiments {

const std::vector<TaskEntry>& task_registry() {
  static const std::vector<TaskEntry> registry = {image_entry(), listops_entry(), recall_entry()};
  return registry;
}

const TaskEntry& find_task(const std::string& name) {
  const auto& registry = task_registry();
  const auto found = std::find_if(registry.begin(), registry.end(),
                                  [&](const TaskEntry& entry) { return entry.name == name; });
  if (found != registry.end()) return *found;
  std::vector<std::string> known;
  for (const TaskEntry& entry : registry) known.push_back(entry.name);
  throw UsageError(unknown_name("task", name, known));
}

}  // namespace luna::experiments
