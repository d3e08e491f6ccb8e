// The cells of a tier on disk: where they are, what is finished, what the rest will take.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/runner/plan.h"

namespace luna::experiments {

struct Cell {
  CellConfig config;
  std::filesystem::path folder;
  bool done = false;
  double seconds = 0;  ///< measured when done, else estimated, on one core

  std::string name() const;  ///< "recall/elu/seed_0"
};

/// A cell under `root`; done if DONE is there and whole. Throws UsageError when its folder holds
/// another configuration.
Cell find_cell(const CellConfig& config, const std::filesystem::path& root, double seconds);

/// Every attention and seed of the tier under `root`. Estimates are the mean of finished cells of
/// the same experiment and attention, else the configuration's cost.
std::vector<Cell> find_cells(const Tier& tier, const std::filesystem::path& root);

}  // namespace luna::experiments
