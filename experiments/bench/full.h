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
  double minutes = 30;      ///< for everything together; see run_full()
  double call_seconds = 2;  ///< rows whose call would take longer are left out
  double memory_gib = 0;    ///< likewise tensors beyond the inputs; 0: half of the machine's memory
  std::filesystem::path file;
  bool anew = false;  ///< time rows again that the file has
};

/// Gate, ceilings, memory, timing; the file is replaced after every group of rows, and rows that it
/// has from the same library, processor and options are kept. The minutes are shared out among the
/// rows, at least kFewestSamples each; where they are over before the last row, the same call goes
/// on with the next one. Gate, ceilings and one row are done in any case, and no row is begun that
/// would not end in time. `say` gets one line a step, first how long it takes. Returns
/// the fused rows that hold more than fused_peak_limit(), a line each. Throws std::runtime_error,
/// with nothing timed, where an operator is wrong.
std::vector<std::string> run_full(const FullOptions& options,
                                  const std::function<void(const std::string&)>& say);

}  // namespace luna::bench
