// Hand-made results folders for the report's and the command line's tests.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/temporary_folder.h"

namespace luna::testing {

/// A finished cell: DONE, env.json and metrics.jsonl whose accuracy rises to `accuracy`.
void write_cell(const std::filesystem::path& results, const std::string& experiment,
                const std::string& attention, int seed, double accuracy);

/// results/quick with image (some attentions), recall (all, seeds 0 and 1), a bench.json, and a
/// plan.json with learning rates, of which performer's larger failed.
void write_tier(const std::filesystem::path& results);

}  // namespace luna::testing
