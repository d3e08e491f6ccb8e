// `luna bench`: checks every operator, times them alone on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/bench/bench.h"
#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/train/cell_folder.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;

constexpr int kNotRun = 3;  // exit code

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

}  // namespace

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

}  // namespace luna::experiments
