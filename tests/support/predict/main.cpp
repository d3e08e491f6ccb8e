// luna_predict: the prediction table, which `make bench DEVICE=cuda` prints without a GPU. With
// --cost, for `luna autotune`: the nanoseconds of one pipeline alone with a function of a library
// in its place; then a line a kernel: its name, threads of a block and bytes of dynamic shared
// memory. Exit code 0, 1 for failures, 2 for usage.
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "experiments/config/options.h"
#include "runtime/kernels/registry.h"
#include "tests/support/predict/side_by_side.h"
#include "tests/support/predict/table.h"

namespace luna::test {
namespace {

using experiments::UsageError;

struct Options {
  std::vector<std::string> only, cost;
  std::vector<int64_t> d;
  bool all = false, halide = false;
  int jobs = 0;
};

constexpr const char* kUsualRows =
    "Rows: every operator at d 64; causal calls and d 128 of luna and elu; d 32 of the report's "
    "operators. luna_predict --all has the others, --help says how to choose.\n";

/// False: only help was wanted.
bool read(int count, char** arguments, Options& options) {
  CLI::App app(
      "What the CUDA kernels cost on an H100, predicted without a GPU from the instructions that "
      "they execute.",
      "luna_predict");
  app.add_option("--only", options.only, "operators with one of these in their name, by comma")
      ->delimiter(',')
      ->option_text("NAME,..");
  app.add_option("--d", options.d, "head sizes of 32, 64 and 128, by comma")
      ->delimiter(',')
      ->check(CLI::IsMember({32, 64, 128}))
      ->option_text("SIZE,..");
  app.add_flag("--all", options.all, "more rows: d 32 and 128, causal calls of every operator")
      ->option_text(" ");
  app.add_flag("--halide", options.halide, "Halide's kernels alone, as in a build without nvcc")
      ->option_text(" ");
  app.add_option("--jobs", options.jobs, "processes side by side; default: one a core")
      ->check(CLI::Range(1, 1024))
      ->option_text("NUMBER");
  app.add_option("--cost", options.cost,
                 "in place of the table: ns of a pipeline with a function of a library for it, and "
                 "its launches")
      ->expected(3)
      ->excludes("--only", "--d", "--all", "--halide", "--jobs")
      ->option_text("PIPELINE LIBRARY FUNCTION");
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw UsageError(error.what());
    app.exit(error);
    return false;
  }
  return true;
}

bool is_chosen(const TableEntry& entry, const Options& options) {
  const std::string label = entry.label();
  const auto in_label = [&](const std::string& part) {
    return label.find(part) != std::string::npos;
  };
  const auto& only = options.only;
  const auto& d = options.d;
  return (options.all || !entry.extra) &&
         (only.empty() || std::any_of(only.begin(), only.end(), in_label)) &&
         (d.empty() || std::find(d.begin(), d.end(), entry.call.d) != d.end());
}

std::vector<TableEntry> chosen(const Options& options) {
  std::vector<TableEntry> entries;
  std::set<std::string> known;
  for (TableEntry& entry : table_entries()) {
    known.insert(entry.label());
    if (is_chosen(entry, options)) entries.push_back(std::move(entry));
  }
  if (entries.empty()) {
    throw UsageError(fmt::format("--only and --d leave no row{}; operators: {}",
                                 options.all ? "" : " (--all has more)", fmt::join(known, "; ")));
  }
  return entries;
}

/// On a terminal, on its last line.
class Progress {
 public:
  explicit Progress(size_t entries) : entries_(entries) { show(0); }
  void clear() const {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }
  void show(size_t done) const {
    if (!terminal_ || done == entries_) return;
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begun_;
    fmt::print(stderr, "{} of {} calls, {:.0f} s", done, entries_, passed.count());
    if (done > 0) {
      fmt::print(stderr, ", about {:.0f} s more", passed.count() / done * (entries_ - done));
    }
  }

 private:
  size_t entries_;
  bool terminal_ = isatty(STDERR_FILENO);
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

void print_table(const Options& options) {
  if (options.halide) hide_cuda_cpp();
  at::set_num_threads(1);
  const std::vector<TableEntry> entries = chosen(options);
  const Table table(entries);
  fmt::print("{}{}\n{}", table_head(entries), options.all ? "" : kUsualRows, table.names());
  std::fflush(stdout);
  const int cores = std::max(1u, std::thread::hardware_concurrency());
  const Progress progress(entries.size());
  make_in_order(
      entries.size(), options.jobs > 0 ? options.jobs : cores,
      [&](size_t i) { return table.rows(entries[i]); },
      [&](size_t i, const std::string& rows) {
        progress.clear();
        fmt::print("{}", rows);
        std::fflush(stdout);
        progress.show(i + 1);
      });
}

void print_cost(const std::string& pipeline, const char* path, const std::string& function) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* const entry = library ? dlsym(library, (function + "_argv").c_str()) : nullptr;
  if (entry == nullptr) throw std::runtime_error(dlerror());
  kernels::replace_pipeline(pipeline, reinterpret_cast<kernels::Pipeline>(entry));
  const PipelineCost cost = pipeline_cost(pipeline);
  fmt::print("{}\n", cost.ns);
  for (const PtxProfile& of : cost.launches) {
    fmt::print("{} {} {}\n", of.kernel, of.threads, of.dynamic_shared);
  }
}

void run(int count, char** arguments) {
  Options options;
  if (!read(count, arguments, options)) return;
  if (options.cost.empty()) return print_table(options);
  print_cost(options.cost[0], options.cost[1].c_str(), options.cost[2]);
}

int fail(int code, const std::string& text) {
  fmt::print(stderr, "luna_predict: {}\n", text.substr(0, text.find('\n')));
  return code;
}

}  // namespace
}  // namespace luna::test

int main(int count, char** arguments) {
  setenv("LUNA_CUDA_DRIVER", LUNA_PTX_DRIVER, 1);
  try {
    luna::test::run(count, arguments);
  } catch (const luna::experiments::UsageError& error) {
    return luna::test::fail(2, error.what());
  } catch (const std::exception& error) {
    return luna::test::fail(1, error.what());
  }
  return 0;
}
