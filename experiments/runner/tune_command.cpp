// `luna tune`: trains every attention with every learning rate of its experiment's grid, with a
// seed that no table uses, and writes the rate that is best on validation, with the evidence:
//   {TIER: {EXPERIMENT: {ATTENTION: {"chosen", "seed", "steps",
//     "grid": [{"lr", "validation_accuracy", "seconds"} or {"lr", "failed"}]}}}}
#include <fmt/format.h>

#include <algorithm>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/overview.h"
#include "experiments/runner/prepare.h"
#include "experiments/runner/progress.h"
#include "experiments/runner/schedule.h"
#include "experiments/train/cell_folder.h"
#include "experiments/train/lock.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<Cell> grid_cells(const Experiment& experiment, const std::string& attention,
                             const fs::path& root) {
  std::vector<Cell> cells;
  for (const double rate : experiment.grid.rates) {
    CellConfig config = experiment.cell(attention, experiment.grid.seed);
    config.cell = fmt::format("{}_lr_{}", attention, rate);
    config.train.lr = rate;
    cells.push_back(find_cell(config, root, experiment.cost.seconds_of(attention)));
  }
  return cells;
}

/// Neither trained nor diverged: says nothing about its rate.
bool unfinished(const Cell& cell) {
  const CellFolder folder(cell.folder);
  return !folder.done() && !folder.failure();
}

json outcome(const Cell& cell) {
  const CellFolder folder(cell.folder);
  const json done = folder.result();
  if (!done.is_object()) return {{"lr", cell.config.train.lr}, {"failed", *folder.failure()}};
  return {{"lr", cell.config.train.lr},
          {"validation_accuracy", done.at("validation_accuracy")},
          {"seconds", done.at("seconds")}};
}

/// Best on validation; of equal ones the smaller rate, which comes first.
json choice(const Experiment& experiment, const std::vector<Cell>& cells) {
  json entry = {{"seed", experiment.grid.seed},
                {"steps", cells.front().config.train.steps},
                {"grid", json::array()}};
  double best = -1;
  for (const Cell& cell : cells) {
    entry["grid"].push_back(outcome(cell));
    const double accuracy = entry["grid"].back().value("validation_accuracy", -1.0);
    if (accuracy <= best) continue;
    best = accuracy;
    entry["chosen"] = cell.config.train.lr;
  }
  return entry;
}

void print_choice(const std::string& experiment, const std::string& attention, const json& entry) {
  std::string row;
  for (const json& point : entry.at("grid")) {
    const std::string result = point.contains("failed")
                                   ? "failed"
                                   : fmt::format("{:.3f}", point.value("validation_accuracy", 0.0));
    row += fmt::format("{:>10}: {:<7}", point.value("lr", 0.0), result);
  }
  const std::string chosen = entry.contains("chosen") ? entry.at("chosen").dump() : "none";
  fmt::print("  {:<9}{:<14}{}  chosen {}\n", experiment, attention, row, chosen);
}

}  // namespace

int run(const TuneOptions& options) {
  const Places& places = options.places;
  const Tier tier = select(read_tier(places.config, places.tier), options.only);
  const fs::path root = places.results / ("tune-" + places.tier);
  std::vector<Cell> cells;
  for (const Experiment& experiment : tier.experiments) {
    if (experiment.grid.rates.empty()) {
      throw UsageError(experiment.name + ": no [grid] rates for tier " + tier.name);
    }
    for (const std::string& attention : experiment.attentions) {
      for (Cell& cell : grid_cells(experiment, attention, root)) cells.push_back(std::move(cell));
    }
  }
  double seconds = 0;
  for (const Cell& cell : cells) seconds += cell.done ? 0 : cell.seconds;
  fmt::print("{} cells in {}, {} to do, about {}\n", cells.size(), root.string(), open_cells(cells),
             duration(seconds / options.jobs));
  const FolderLock lock(root);
  prepare_data(tier, places.data);
  const int code = report_failures(train_cells(cells, {options.jobs, places.data}));
  const fs::path file = learning_rates_file(places.config);
  json all = CellFolder(file.parent_path()).read(file.filename().string());
  for (const Experiment& experiment : tier.experiments) {
    for (const std::string& attention : experiment.attentions) {
      const std::vector<Cell> grid = grid_cells(experiment, attention, root);
      if (std::any_of(grid.begin(), grid.end(), unfinished)) {
        fmt::print("  {:<9}{:<14}unfinished: what {} says of it stays\n", experiment.name,
                   attention, file.filename().string());
        continue;
      }
      const json entry = choice(experiment, grid);
      all[tier.name][experiment.name][attention] = entry;
      print_choice(experiment.name, attention, entry);
    }
  }
  io::write_file_atomically(file, all.dump(1) + "\n");
  fmt::print("{}\n", file.string());
  return code;
}

}  // namespace luna::experiments
