#include "experiments/runner/overview.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "experiments/runner/progress.h"

namespace luna::experiments {
namespace {

/// Cells of one experiment, or of all.
struct Sum {
  size_t cells = 0, open = 0;
  double seconds = 0, megabytes = 0;  ///< of what is open

  void add(const Cell& cell, double cell_mb) {
    ++cells;
    if (cell.done) return;
    ++open;
    seconds += cell.seconds;
    megabytes += cell_mb;
  }
  void add(const Sum& other) {
    cells += other.cells;
    open += other.open;
    seconds += other.seconds;
    megabytes += other.megabytes;
  }
};

constexpr const char* kRow = "  {:<12}{:>18}{:>7}{:>7}{:>9}{:>10}{:>10}\n";

void print_row(const std::string& name, const std::string& grid, const std::string& steps,
               const Sum& sum, int jobs) {
  fmt::print(kRow, name, grid, sum.cells, sum.cells - sum.open, steps, duration(sum.seconds / jobs),
             fmt::format("{:.0f} MB", sum.megabytes));
}

Sum sum_of(const Experiment& experiment, const std::vector<Cell>& cells) {
  Sum sum;
  for (const Cell& cell : cells) {
    if (cell.config.experiment == experiment.name) sum.add(cell, experiment.cost.cell_mb);
  }
  if (sum.open > 0) sum.megabytes += experiment.cost.data_mb;
  return sum;
}

void print_untuned(const Tier& tier) {
  for (const Experiment& experiment : tier.experiments) {
    const auto& untuned = experiment.untuned;
    if (untuned.empty() || experiment.grid.rates.empty()) continue;
    const bool all = untuned.size() == experiment.attentions.size();
    fmt::print("{}: no tuned learning rate{}: {}.toml's is used\n", experiment.name,
               all ? "s" : fmt::format(" for {}", fmt::join(untuned, ", ")), experiment.name);
  }
}

}  // namespace

size_t open_cells(const std::vector<Cell>& cells) {
  return std::count_if(cells.begin(), cells.end(), [](const Cell& cell) { return !cell.done; });
}

double print_overview(const Tier& tier, const std::vector<Cell>& cells,
                      const std::filesystem::path& root, int jobs) {
  fmt::print("Tier {} in {}: {} cell{} side by side, one thread each\n", tier.name, root.string(),
             jobs, jobs == 1 ? "" : "s");
  fmt::print(kRow, "experiment", "attentions x seeds", "cells", "done", "steps", "to do", "disk");
  Sum total;
  for (const Experiment& experiment : tier.experiments) {
    const Sum sum = sum_of(experiment, cells);
    const auto grid = fmt::format("{} x {}", experiment.attentions.size(), experiment.seeds.size());
    print_row(experiment.name, grid, experiment.train.value("steps", nlohmann::json()).dump(), sum,
              jobs);
    total.add(sum);
  }
  print_row("total", "", "", total, jobs);
  print_untuned(tier);
  std::fflush(stdout);
  return total.seconds / jobs;
}

}  // namespace luna::experiments
