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

/// (Format: cmake/LunaSchedules.cmake.) Those pipelines that are faster under other parameters than
/// the default (in a bucket: than all calls), and of `before`, the file of an earlier run (anything
/// else than one: none), those that were not tuned now (or in no round), with the versions that
/// they were measured with; null where there is none.
nlohmann::json schedule(const std::string& kind, const std::string& device,
                        const nlohmann::json& versions, const std::vector<Tuned>& tuned,
                        const nlohmann::json& before = nullptr);

/// A line a pipeline: what it was, what it is, and by how much that is faster.
std::string report(const std::vector<Tuned>& tuned);

}  // namespace luna::autotune
