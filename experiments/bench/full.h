// `luna bench --full`: every operator over a sweep of sizes, within a budget of minutes, row by row
// against the machine's measured ceilings. The file is that of reports/bench/rows.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/bench/sweep.h"

namespace luna::bench {

struct FullOptions {
  std::vector<Size> sizes;
  std::vector<int> threads = {1};
  std::string filter;       ///< regular expression on the rows' keys; empty: all
  double minutes = 30;      ///< shared out among the rows; each has at least 5 samples
  double call_seconds = 2;  ///< rows whose call would take longer are left out
  double memory_gib = 0;    ///< likewise tensors beyond the inputs; 0: half of the machine's memory
  std::filesystem::path file;
  bool anew = false;  ///< time rows again that the file has
};

/// Gate, ceilings, memory, timing; the file is replaced after every group of rows, and rows that it
/// has from the same library, processor and options are kept. `say` gets one line a step. Throws
/// std::runtime_error, with nothing timed, where an operator is wrong or a fused one keeps
/// features.
void run_full(const FullOptions& options, const std::function<void(const std::string&)>& say);

/// What remains of a budget, shared among groups by weight: rows * N^(1/4), so that large sizes get
/// more and small ones enough.
double share_of(const Group& group, const std::vector<Group>& left, double seconds);

/// Samples a row of a group in so many seconds, one round of all of them taking round_s.
int64_t repetitions_for(double seconds, double round_s);

}  // namespace luna::bench
