// `luna autotune`: every pipeline that has a schedule space, one after the other: candidates are
// compiled side by side, checked against float64, timed against the default by successive halving.
#pragma once

#include <functional>

#include "experiments/autotune/candidate.h"
#include "experiments/autotune/halving.h"
#include "experiments/autotune/workload.h"

namespace luna::autotune {

struct TunerOptions {
  Tools tools;
  std::filesystem::path folder;  ///< of candidates
  int jobs = 2;                  ///< compilations side by side
  c10::Device device = c10::kCPU;
  /// Seconds of one call; waits for its end.
  std::function<double(const std::function<void()>&)> clock;
  /// Why a candidate that was compiled is not worth a trial; "" where it is (ptxas on CUDA).
  std::function<std::string(const Tunable&, const Candidate&)> inspect =
      [](const Tunable&, const Candidate&) { return ""; };
  /// Before each pipeline that is to be timed; throws where timing means nothing (a busy GPU).
  std::function<void()> before_timing = [] {};
  std::function<void(const std::string&)> say;
};

/// Tokens of all heads in calls that do not fill a GPU: about from there on the 132 multiprocessors
/// of an H100 have a warp of 32 tokens for each of their 4 schedulers (16,896).
constexpr int64_t kFewRows = 16384;

/// What became of one pipeline.
struct Tuned {
  Tunable tunable;
  Parameters chosen;  ///< the default where nothing is better
  Verdict verdict;    ///< of the best candidate
  /// Medians of the same rounds, default and best candidate: a call, geometric mean of workloads.
  double seconds_before = 0, seconds_after = 0;
  int64_t rows = 0;  ///< of calls about at most so many; 0: of all calls
};

/// The state in a folder of candidates, which are removed where it is of another key.
State resume(const std::filesystem::path& folder, const nlohmann::json& key);

/// Candidates that are not settled.
std::vector<Parameters> unsettled(const Tunable& tunable, const State& state);

/// How many of them are not compiled.
int64_t uncompiled(const TunerOptions& options, const Tunable& tunable, const State& state);

/// Compiles what is not there yet, pipeline by pipeline; candidates that cannot be, or are not
/// worth it, are settled. Begins no compilation after so many seconds: the next run does.
void compile_all(const TunerOptions& options, const std::vector<Tunable>& tunables, double seconds,
                 State& state);

/// Those that some workload runs; what is not, is said.
std::vector<Tunable> called(const TunerOptions& options, const std::vector<Tunable>& tunables,
                            const std::vector<Workload>& workloads);

/// Pipelines whose candidates are all compiled, in about so many seconds; the others keep their
/// schedules: the winner among some is not the winner among all. Each twice where there are calls
/// about few rows: for all calls, then for a bucket of those.
std::vector<Tuned> tune_all(const TunerOptions& options, const std::vector<Tunable>& tunables,
                            const Workloads& workloads, double seconds, State& state);

}  // namespace luna::autotune
