// `luna bench`: checks every operator, times them alone on this machine.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>

#include "experiments/bench/bench.h"
#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/train/cell_folder.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;

constexpr int kNotRun = 3;  // exit code

struct BenchCommandOptions {
  Places places;
  std::vector<std::string> sizes = {"A", "B"};
  std::vector<int> threads = {1};
  double seconds = 60;
  std::string device = "cpu";
  fs::path out;
  bool force = false;
};

std::vector<bench::Size> sizes_of(const std::vector<std::string>& names) {
  std::vector<bench::Size> sizes;
  std::vector<std::string> known;
  for (const bench::Size& size : bench::standard_sizes()) known.push_back(size.name);
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) throw UsageError(unknown_name("size", name, known));
    sizes.push_back(bench::standard_sizes()[static_cast<size_t>(found - known.begin())]);
  }
  return sizes;
}

/// A file of the same sizes, processor and library is kept; says which it is.
bool keep(const fs::path& file, const bench::BenchOptions& wanted) {
  const auto there = CellFolder(file.parent_path()).read(file.filename().string());
  if (!there.is_object()) return false;
  const bool current = bench::is_current(there, wanted);
  fmt::print(current ? "{} is there; --force times again\n"
                     : "{} is of another library, processor or choice of sizes: timing again\n",
             file.string());
  return current;
}

int run(const BenchCommandOptions& options) {
  if (options.device == "cuda") {
    fmt::print(stderr, "not run: timing on CUDA is not built yet; --device cpu times on the CPU\n");
    return kNotRun;
  }
  const fs::path folder = options.places.results / options.places.tier;
  const fs::path file = options.out.empty() ? folder / "bench.json" : options.out;
  check_list(options.sizes, "--sizes");
  check_list(options.threads, "--threads");
  if (!std::isfinite(options.seconds)) throw UsageError("--seconds must be a finite number");
  const bench::BenchOptions wanted{sizes_of(options.sizes), options.threads, options.seconds};
  if (!options.force && keep(file, wanted)) return 0;
  io::AtomicFile written(file);  // refused before anything is timed, not after
  const nlohmann::json result = bench::run_bench(wanted, [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  });
  written.append(result.dump(1) + "\n");
  written.commit();
  fmt::print("{}\n", file.string());
  return 0;
}

/// One thread, and two where there are two cores.
std::vector<int> usual_threads() {
  return std::thread::hardware_concurrency() > 1 ? std::vector<int>{1, 2} : std::vector<int>{1};
}

}  // namespace

Command add_bench(CLI::App& root) {
  auto options = std::make_shared<BenchCommandOptions>();
  options->threads = usual_threads();
  CLI::App* app =
      root.add_subcommand("bench", "time every operator against torch's own; run alone");
  options->places.add_tier(*app);
  options->places.add_results(*app);
  app->add_option("--sizes", options->sizes, "by comma: A (N 2048, d 32), B (N 4096, d 64)")
      ->delimiter(',');
  app->add_option("--threads", options->threads, "numbers of threads, by comma")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app->add_option("--seconds", options->seconds, "time for everything together")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1e5));
  app->add_option("--out", options->out, "file; default: bench.json in the tier's results");
  app->add_option("--device", options->device, "cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"cpu", "cuda"}));
  app->add_flag("--force", options->force, "time again even if the file is there");
  return {app, [options] { return run(*options); }};
}

}  // namespace luna::experiments
