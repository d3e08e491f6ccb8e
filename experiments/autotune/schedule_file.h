// The result of a tuning run: generators/schedules/<device>.json, which the next build reads
// (cmake/LunaSchedules.cmake).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/autotune/tuner.h"

namespace luna::autotune {

/// "amd_epyc_9r14_family_25_model_17.json"
std::string file_name(const std::string& device);

/// Those pipelines that are faster under other parameters than the default; null where none is.
nlohmann::json schedule(const std::string& kind, const std::string& device,
                        const nlohmann::json& versions, const std::vector<Tuned>& tuned);

/// A line a pipeline: what it was, what it is, and by how much that is faster.
std::string report(const std::vector<Tuned>& tuned);

}  // namespace luna::autotune
