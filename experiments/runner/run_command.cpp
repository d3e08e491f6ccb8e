// `luna run`: prints what a tier comprises and takes, then trains its cells.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/overview.h"
#include "experiments/runner/prepare.h"
#include "experiments/runner/schedule.h"
#include "experiments/train/cell_folder.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;

constexpr double kAskFrom = 3600;  // seconds
constexpr int kDeclined = 130;     // exit code, as after Ctrl-C: what follows must not go on

struct RunOptions : CellsOptions {
  std::vector<int64_t> seeds;
  bool dry_run = false, yes = false;
};

/// A long run is begun by mistake easily: asks where someone can answer.
bool agreed(double seconds, bool yes) {
  if (yes || seconds < kAskFrom || !isatty(STDIN_FILENO)) return true;
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

}  // namespace

Command add_run(CLI::App& root) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* app = root.add_subcommand("run", "train every cell of a tier; finished ones are kept");
  options->add(*app);
  app->add_option("--seeds", options->seeds, "seeds in place of the configuration's")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 31));
  app->add_flag("--dry-run", options->dry_run, "print what would run, and stop");
  app->add_flag("--yes", options->yes, "do not ask before a run of more than an hour");
  return {app, [options] { return run(*options); }};
}

}  // namespace luna::experiments
