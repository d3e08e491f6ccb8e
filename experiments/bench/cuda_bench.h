// `luna bench --device cuda`: the operators on a GPU, each call between two CUDA events, the L2
// cache overwritten before it, row by row against the GPU's measured ceilings. The file is that of
// reports/bench/rows.h. Tested in tests/experiments/bench, on the CPU.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/bench/accelerator.h"
#include "experiments/bench/sweep.h"

namespace luna::bench {

struct CudaBenchOptions {
  std::vector<Group> groups;  ///< sweep_groups() on CUDA
  double seconds = 60;        ///< for everything; what they are too short for is left out
  double call_seconds = 0.5;  ///< rows whose call would take longer are left out, as are those that
                              ///< hold more than a quarter of the GPU's memory
  bool force = false;         ///< write noisy results too, start on a busy GPU, go on with a wrong
                              ///< operator left out
  std::filesystem::path file;
};

/// Ceilings, then group by group gate and timing, at least kFewestSamples a row; the first row is
/// timed in any case. `say` gets one line a step. Throws std::runtime_error where an operator is
/// wrong, the GPU is busy or the samples are noisy (nothing is written then).
void run_cuda_bench(const CudaBenchOptions& options, const Accelerator& on,
                    const std::function<void(const std::string&)>& say);

}  // namespace luna::bench
