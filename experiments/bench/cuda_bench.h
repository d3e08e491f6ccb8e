// `luna bench --device cuda`: the operators on a GPU, each call between two CUDA events, the L2
// cache overwritten before it. The file is that of reports/bench/rows.h, with
//   "gpu": {"before": state, "after": state}    (gpu_state.h)
// in its environment.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/bench/operators.h"
#include "reports/bench/rows.h"

namespace luna::bench {

struct CudaBenchOptions {
  std::vector<Size> sizes;
  double seconds = 60;  ///< for everything together; every row has at least 10 samples
  bool force = false;   ///< write noisy results too, and start on a busy GPU
  std::filesystem::path file;
};

/// Gate, then timing; `say` gets one line a step. Throws std::runtime_error where an operator is
/// wrong, the GPU is busy or the samples are noisy (nothing is written then).
void run_cuda_bench(const CudaBenchOptions& options,
                    const std::function<void(const std::string&)>& say);

/// Why these rows are no result: half of them spread, between their quartiles, over more than a
/// twentieth of their median; "" where they do not.
std::string noise(const std::vector<reports::BenchRow>& rows);

}  // namespace luna::bench
