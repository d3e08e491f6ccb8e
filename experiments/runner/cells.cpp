#include "experiments/runner/cells.h"

#include <fmt/format.h>

#include "experiments/train/cell_folder.h"

namespace luna::experiments {

namespace fs = std::filesystem;

std::string Cell::name() const {
  return fmt::format("{}/{}/seed_{}", config.experiment, config.cell, config.seed);
}

Cell find_cell(const CellConfig& config, const fs::path& root, double seconds) {
  Cell cell{config, {}, false, seconds};
  cell.folder = root / config.experiment / config.cell / fmt::format("seed_{}", config.seed);
  const CellFolder folder(cell.folder);
  folder.check(to_json(config));
  const nlohmann::json done = folder.result();
  cell.done = done.is_object();
  if (cell.done) cell.seconds = done.at("seconds");
  return cell;
}

std::vector<Cell> find_cells(const Tier& tier, const fs::path& root) {
  std::vector<Cell> cells;
  for (const Experiment& experiment : tier.experiments) {
    for (const std::string& attention : experiment.attentions) {
      const double guess = experiment.cost.seconds_of(attention);
      double measured = 0;
      int count = 0;
      const size_t begin = cells.size();
      for (const int64_t seed : experiment.seeds) {
        cells.push_back(find_cell(experiment.cell(attention, seed), root, guess));
        if (!cells.back().done) continue;
        measured += cells.back().seconds;
        ++count;
      }
      for (size_t i = begin; count > 0 && i < cells.size(); ++i) {
        if (!cells[i].done) cells[i].seconds = measured / count;
      }
    }
  }
  return cells;
}

}  // namespace luna::experiments
