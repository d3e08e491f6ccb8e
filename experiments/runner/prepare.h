// Data of the tasks of a tier.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "experiments/runner/plan.h"

namespace luna::experiments {

/// A [task] table without "name".
nlohmann::json task_options(const nlohmann::json& task);

/// Makes the data of every experiment, where it is not there yet; says what it does on stdout.
void prepare_data(const Tier& tier, const std::filesystem::path& data);

}  // namespace luna::experiments
