// `luna run`: prints what a tier comprises and takes, then trains its cells.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/overview.h"
#include "experiments/runner/prepare.h"
#include "experiments/runner/schedule.h"
#include "experiments/train/cell_folder.h"
#include "experiments/train/lock.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;

constexpr double kAskFrom = 3600;  // seconds
constexpr int kDeclined = 130;     // exit code, as after Ctrl-C: what follows must not go on

/// A long run is begun by mistake easily: asks. Throws UsageError where nobody can answer.
bool agreed(double seconds, bool yes) {
  if (yes || seconds < kAskFrom) return true;
  if (!isatty(STDIN_FILENO)) {
    throw UsageError(
        "this run takes more than an hour and there is no terminal to ask at: pass --yes to begin "
        "it");
  }
  fmt::print("This is a long run. Go on? [y/N] ");
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

/// In what runs, and in what the plan says of the same experiments.
void replace_seeds(const std::vector<int64_t>& seeds, Tier& running, Tier& planned) {
  for (Experiment& experiment : running.experiments) {
    experiment.seeds = seeds;
    for (Experiment& other : planned.experiments) {
      if (other.name == experiment.name) other.seeds = seeds;
    }
  }
}

}  // namespace

int run(const RunOptions& options) {
  const Places& places = options.places;
  if (!options.seeds.empty()) check_list(options.seeds, "--seeds");
  Tier whole = read_tier(places.config, places.tier);
  Tier tier = select(whole, options.only);
  if (!options.seeds.empty()) replace_seeds(options.seeds, tier, whole);
  const fs::path root = places.results / places.tier;
  const std::vector<Cell> cells = find_cells(tier, root);
  const double seconds = print_overview(tier, cells, root, options.jobs);
  if (options.dry_run) return 0;
  const nlohmann::json plan = whole.plan();
  const bool all_done = open_cells(cells) == 0;
  // Finished results may lie where nobody can write.
  if (all_done && CellFolder(root).read("plan.json") == plan) return 0;
  const FolderLock lock(root);
  if (!agreed(seconds, options.yes)) return kDeclined;
  io::write_file_atomically(root / "plan.json", plan.dump(1) + "\n");
  if (all_done) return 0;
  prepare_data(tier, places.data);
  const std::vector<Failure> failures = train_cells(cells, {options.jobs, places.data});
  fmt::print("{} of {} cells are done\n", cells.size() - failures.size(), cells.size());
  return report_failures(failures);
}

}  // namespace luna::experiments
