// `luna bench`: checks every operator, times them alone on this machine or its GPU.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "experiments/bench/bench.h"
#include "experiments/bench/cuda.h"
#include "experiments/bench/cuda_bench.h"
#include "experiments/bench/full.h"
#include "experiments/bench/model.h"
#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/progress.h"
#include "experiments/train/cell_folder.h"
#include "experiments/train/lock.h"
#include "reports/bench/table.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kQuickSizes = {"A", "B"};

std::vector<bench::Size> sizes_of(const std::vector<std::string>& names) {
  std::vector<bench::Size> sizes;
  std::vector<std::string> known;
  for (const bench::Size& size : bench::standard_sizes()) known.push_back(size.name);
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      throw UsageError(unknown_name("size", name, known) +
                       "; decode and numbers of tokens need --full");
    }
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

/// An option that this kind of benchmark would not look at.
void check_goes_with(bool given, const char* option, bool of_this_kind, const char* kind) {
  if (given && !of_this_kind) throw UsageError(fmt::format("{} goes with {}", option, kind));
}

void check_options(const BenchCommandOptions& options) {
  const bool cpu = options.device == "cpu";
  check_goes_with(options.full, "--full", cpu, "--device cpu");
  check_goes_with(!options.threads.empty(), "--threads", cpu, "--device cpu");
  check_goes_with(options.seconds.has_value(), "--seconds", !options.full,
                  "a benchmark without --full; with it the time is --minutes");
  check_goes_with(options.minutes.has_value(), "--minutes", options.full,
                  "--full; without it the time is --seconds");
  const bool rows = options.full || !cpu;
  constexpr const char* kRows = "--full or --device cuda";
  check_goes_with(options.call_seconds.has_value(), "--call-seconds", rows, kRows);
  check_goes_with(!options.filter.empty(), "--filter", rows, kRows);
  check_goes_with(options.model, "--model", rows, kRows);
}

/// One thread, and two where there are two cores.
std::vector<int> usual_threads() {
  return std::thread::hardware_concurrency() > 1 ? std::vector<int>{1, 2} : std::vector<int>{1};
}

/// Held while the file is filled, by every kind of benchmark: refused before anything is timed.
struct ClaimedFile : FileLock {
  explicit ClaimedFile(const fs::path& file) : FileLock(file, "choose another file with --out") {}
};

int run_quick(const BenchCommandOptions& options, const fs::path& file) {
  bench::BenchOptions wanted;
  wanted.sizes = sizes_of(options.sizes);
  wanted.threads = options.threads;
  if (options.seconds) wanted.seconds = *options.seconds;
  if (!options.force && keep(file, wanted)) return 0;
  const ClaimedFile claimed(file);
  io::write_file_atomically(file, bench::run_bench(wanted, say).dump(1) + "\n");
  say(file.string());
  return 0;
}

/// Rows as a page beside their file.
void publish(const fs::path& file) {
  const fs::path page = fs::path(file).replace_extension(".md");
  const std::string table = reports::bench_table(reports::read_bench_file(file));
  io::write_file_atomically(page, table);
  say(table);
  say(fmt::format("{} and {}", file.string(), page.string()));
}

int run_full(const BenchCommandOptions& options, const fs::path& file) {
  bench::FullOptions wanted;
  wanted.sizes = bench::sweep_sizes(options.sizes);
  wanted.threads = options.threads;
  wanted.filter = options.filter;
  if (options.minutes) wanted.minutes = *options.minutes;
  if (options.call_seconds) wanted.call_seconds = *options.call_seconds;
  wanted.file = file;
  wanted.anew = options.force;
  const ClaimedFile claimed(file);
  const std::vector<std::string> over_limit = bench::run_full(wanted, say);
  publish(file);
  for (const std::string& line : over_limit) fmt::print(stderr, "memory: {}\n", line);
  return over_limit.empty() ? 0 : 1;
}

/// Says why where there is no GPU.
bool has_cuda() {
  const std::string missing = bench::open_cuda();
  if (missing.empty()) return true;
  fmt::print(stderr, "not run: {}; --device cpu times on the CPU\n", missing);
  return false;
}

int print_environment(const BenchCommandOptions& options) {
  nlohmann::json environment = bench::bench_environment();
  if (options.device == "cuda") {
    if (!has_cuda()) return kNotRun;
    environment["device"] = "cuda";
    const bench::GpuState state = bench::gpu_state();
    environment["gpu"]["before"] = to_json(state);
    environment["gpu"]["busy"] = bench::busy_gpu(state);  // why not to time there; "" if it is idle
  }
  say(environment.dump(1));
  return 0;
}

std::vector<bench::Group> groups_of(const BenchCommandOptions& options) {
  const bool cuda = options.device == "cuda";
  const c10::DeviceType device = cuda ? c10::kCUDA : c10::kCPU;
  return bench::sweep_groups(bench::sweep_sizes(options.sizes, device),
                             cuda ? std::vector{1} : options.threads, options.filter, device);
}

int print_model(const BenchCommandOptions& options) {
  const bool cuda = options.device == "cuda";
  const std::vector<bench::Group> groups = groups_of(options);
  if (cuda && !has_cuda()) return kNotRun;
  say((cuda ? bench::gpu_model(groups, bench::first_gpu()) : bench::cpu_model(groups)).dump(1));
  return 0;
}

int run_cuda(const BenchCommandOptions& options) {
  bench::CudaBenchOptions wanted;
  wanted.groups = groups_of(options);
  if (!has_cuda()) return kNotRun;
  if (options.seconds) wanted.seconds = *options.seconds;
  if (options.call_seconds) wanted.call_seconds = *options.call_seconds;
  wanted.force = options.force;
  wanted.file = options.out;
  const ClaimedFile claimed(wanted.file);
  bench::run_cuda_bench(wanted, bench::first_gpu(), say);
  publish(wanted.file);
  return 0;
}

/// What stands there is a bench's, or nothing: nobody's text is lost by a mistaken --out.
void check_out(const fs::path& file) {
  std::error_code unknown;
  const fs::file_status there = fs::status(file, unknown);
  if (!fs::exists(there)) return;
  if (fs::is_directory(there)) {
    throw UsageError(file.string() + " is a folder; name a file with --out");
  }
  if (!fs::is_regular_file(there)) {
    throw UsageError(file.string() + " is a device or a pipe; name a file with --out");
  }
  std::ifstream stream(file);
  const nlohmann::json content = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (content.is_object() && content.contains("environment")) return;
  throw UsageError(file.string() +
                   " is no benchmark (or a damaged one) and would be lost; name another "
                   "file with --out, or remove it");
}

/// --out, or the usual name in the tier's results.
fs::path file_of(const BenchCommandOptions& options) {
  const Places& places = options.places;
  const char* const name = options.device == "cuda" ? "bench-cuda.json"
                           : options.full           ? "bench-full.json"
                                                    : "bench.json";
  const fs::path file = options.out.empty() ? places.results / places.tier / name : options.out;
  check_out(file);
  return file;
}

}  // namespace

int run(const BenchCommandOptions& options) {
  if (options.environment) return print_environment(options);
  check_options(options);
  BenchCommandOptions given = options;
  const bool cuda = options.device == "cuda";
  if (given.sizes.empty()) {
    given.sizes = cuda           ? bench::usual_sweep(c10::kCUDA)
                  : options.full ? bench::usual_sweep()
                                 : kQuickSizes;
  }
  if (given.threads.empty()) given.threads = usual_threads();
  check_list(given.sizes, "--sizes");
  check_list(given.threads, "--threads");
  if (given.model) return print_model(given);
  given.out = file_of(options);
  if (cuda) return run_cuda(given);
  return options.full ? run_full(given, given.out) : run_quick(given, given.out);
}

}  // namespace luna::experiments
