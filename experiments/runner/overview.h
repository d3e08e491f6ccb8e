// The table that is printed before anything runs.
#pragma once

#include <filesystem>
#include <vector>

#include "experiments/runner/cells.h"

namespace luna::experiments {

size_t open_cells(const std::vector<Cell>& cells);

/// Experiments, cells, steps, time and disk; returns the seconds that the open cells take with
/// `jobs` side by side.
double print_overview(const Tier& tier, const std::vector<Cell>& cells,
                      const std::filesystem::path& root, int jobs);

}  // namespace luna::experiments
