// `luna bench`: checks every operator, then times them side by side in one process. Result as JSON:
//   {"schema": 1, "method": str, "environment": env.json's without "threads", "load_before",
//    "gate": [{"operator", "size", "max_error", "limit"}],
//    "sizes": [{"name", "threads", "B", "H", "N", "d", "m", "L", "hid",
//               "operators": [{"name", "label", "forward": {"min_s", "median_s", "repeats"},
//                              "forward_backward": {...}}]}]}
// Read by reports/views/throughput.cpp.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/bench/operators.h"

namespace luna::bench {

/// What times on the CPU hold beside arithmetic, in the text of both methods.
inline constexpr const char* kWithinTheTime =
    "Memory is the C library's, as it comes, and inside the time: large tensors are mapped, "
    "faulted in and given back in every call, half of the eager Listing's time and more; with "
    "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 in the environment glibc keeps them. "
    "LUNA's table of psi is not inside, as parameters stay the same: a training step builds it "
    "anew.";

struct BenchOptions {
  std::vector<Size> sizes;
  std::vector<int> threads = {1};
  double seconds = 60;  ///< time for everything together; see run_bench()
};

/// capture_environment() without "threads", of which every size has its own, with "load_before".
nlohmann::json bench_environment();

/// A = B 4, H 2, N 2048, d 32 and B = B 1, H 8, N 4096, d 64; m 16, L 8, hid 64.
const std::vector<Size>& standard_sizes();

/// Whether `result`, read from a file, is of these sizes and numbers of threads, this processor and
/// this libluna.so.
bool is_current(const nlohmann::json& result, const BenchOptions& options);

/// Runs the gate and the timing; `say` gets one line a step, first how long it takes at the least:
/// the gate and a few calls of everything, whatever the budget. Throws std::runtime_error naming
/// the operator when the gate fails: then nothing is timed. Changes torch's number of threads.
nlohmann::json run_bench(const BenchOptions& options,
                         const std::function<void(const std::string&)>& say);

}  // namespace luna::bench
