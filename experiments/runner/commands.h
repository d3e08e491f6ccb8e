// The subcommands of `luna`, one file each: what the command line gives them, and run(), which
// returns the exit code. The command line itself is in command_line.cpp.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace luna::experiments {

/// Exit code where the device that was asked for is not there.
inline constexpr int kNotRun = 3;

/// Options that several commands share.
struct Places {
  std::string tier = "quick";
  std::filesystem::path results = "results";
  std::filesystem::path data = "data";
  std::filesystem::path config;  ///< tiers file
};

/// Options of the commands that train the cells of a tier.
struct CellsOptions {
  Places places;
  std::vector<std::string> only;  ///< for select(); empty: all
  int jobs = 1;                   ///< cells side by side
};

/// Prints what a tier comprises and takes, then trains its cells.
struct RunOptions : CellsOptions {
  std::vector<int64_t> seeds;  ///< in place of the configuration's; empty: those
  bool dry_run = false, yes = false;
};
int run(const RunOptions& options);

/// Chooses learning rates on validation.
struct TuneOptions : CellsOptions {};
int run(const TuneOptions& options);

/// Trains one cell in this process; started by run and tune, hidden from the help.
struct CellOptions {
  std::filesystem::path folder;
  std::string text;  ///< JSON configuration; empty: config.resolved.toml in the folder
  Places places;
};
int run(const CellOptions& options);

/// Checks every operator, times them alone on this machine.
struct BenchCommandOptions {
  Places places;
  std::vector<std::string> sizes;  ///< empty: A and B; full and on CUDA: usual_sweep()
  std::vector<int> threads;        ///< empty: 1, and 2 where there are two cores
  std::optional<double> seconds;   ///< empty: 60
  std::string device = "cpu";
  std::filesystem::path out;  ///< empty: bench.json, bench-full.json or bench-cuda.json, as usual
  bool force = false;
  bool environment = false;  ///< print the machine as JSON, and stop
  bool model = false;        ///< likewise its ceilings and what rows have to do
  bool full = false;
  std::string filter;  ///< of the full benchmark and on CUDA, as call_seconds
  std::optional<double> minutes, call_seconds;  ///< empty: 30 and 2, on CUDA 0.5
};
int run(const BenchCommandOptions& options);

/// Every map and mode against float64 on a device.
struct SelftestOptions {
  std::string device = "cpu";
  std::string only;  ///< part of the maps' names; empty: all
};
int run(const SelftestOptions& options);

/// Finds the fastest schedules on this machine and writes them for the next build.
struct AutotuneOptions {
  std::string device = "cpu";
  double minutes = 10;
  int jobs = 1;                                       ///< compilations side by side
  std::string only;                                   ///< part of the pipelines' names; empty: all
  std::string architecture;                           ///< CUDA: "sm_80"; empty: the GPU's, or sm_90
  bool force = false;                                 ///< on a busy GPU, too
  std::filesystem::path folder = "results/autotune";  ///< of candidates and state
  /// Of this build and checkout.
  std::filesystem::path schedules, tunables, generators, compiler, predict;
  std::string ptxas;
};
int run(const AutotuneOptions& options);

/// Two benchmark files row by row.
struct CompareOptions {
  std::filesystem::path before, after;
  bool force = false;                    ///< of different machines, too
  std::optional<double> fail_on_slower;  ///< percent: exit code 1 where a row is slower by more
};
int run(const CompareOptions& options);

/// A benchmark file as markdown.
struct TableOptions {
  std::filesystem::path file;
};
int run(const TableOptions& options);

/// Result files in, pages out.
struct PageOptions {
  Places places;
  std::filesystem::path out = "reports/out";
};
int run(const PageOptions& options);

/// What can be named in configurations and on the command line.
struct ListOptions {
  Places places;
  std::string kind;  ///< empty: every kind
};
int run(const ListOptions& options);

/// Makes or verifies data sets of a tier or of single tasks.
struct DataOptions {
  Places places;
  std::vector<std::string> tasks;  ///< empty: the tier's
  bool verify = false;
};
int run(const DataOptions& options);

}  // namespace luna::experiments
