// One experiment's file: [task], [model], [train], [grid], [cost] and the tables of its tiers.
#pragma once

#include <filesystem>
#include <string>

#include "experiments/runner/plan.h"

namespace luna::experiments {

/// The experiment as `tier` has it. Throws UsageError naming the file and the nearest name.
Experiment read_experiment(const std::filesystem::path& path, const std::string& name,
                           const std::string& tier);

/// Throws UsageError naming the nearest for a name that is no attention's; `where` it stands.
void check_attention(const std::string& name, const std::string& where);

}  // namespace luna::experiments
