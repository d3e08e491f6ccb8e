// What the CUDA kernels cost, predicted without a GPU: the operators run on the stand-in device,
// the PTX interpreter counts what a warp executes, and an H100's issue slots price it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/autotune/workload.h"
#include "experiments/bench/operators.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {

/// One pipeline in one pass of one operator.
struct Prediction {
  std::string pipeline;
  PtxCounts counts;              ///< PTX instructions of threads, of the whole call
  std::optional<double> issued;  ///< machine instructions of warps; none without ptxas (sass.h)
  int64_t tokens;                ///< of all heads

  /// PTX instructions of a warp for a token of one head, from those of threads.
  double per_token(uint64_t instructions) const;
  /// What is issued for a token of one head.
  double issued_per_token() const;
  /// 32-byte sectors of global memory that a token's loads and stores touch, access by access.
  double sectors_per_token() const;
  /// ns for a token of one head, every issue slot of an H100 SXM used: instructions / 4 / (132
  /// multiprocessors x 1.755 GHz).
  double issue_ns() const;
};

/// Of every pipeline of tokens that is called in the order of the first call.
std::vector<Prediction> predict(const autotune::Call& call, const bench::Size& size,
                                bench::Pass pass);

/// Whether the call's forward runs kernels of its own dtype: always in float32.
bool has_own_kernels(const autotune::Call& call);

/// "f32", "bf16" or "f16", as in the names of pipelines.
const char* dtype_name(at::ScalarType dtype);

/// Whether CUDA has more than Halide's pipelines: siblings on tensor cores.
bool has_cuda_cpp();
/// From now on it has not, as where nvcc is not. hide_pipelines({}) ends that.
void hide_cuda_cpp();

/// The calls that may run a pipeline: those of its dtype and head size, of its own map first, as if
/// siblings on tensor cores were not built unless it is one. hide_pipelines({}) ends that.
std::vector<const autotune::Call*> likely_calls(const std::string& pipeline);

struct PipelineCost {
  double ns;                         ///< a token of one head, at full issue
  std::vector<PtxProfile> launches;  ///< by kernel: threads and dynamic shared memory of a block
};
/// Of one pipeline in the first of them that runs it. Throws std::runtime_error where none runs it.
PipelineCost pipeline_cost(const std::string& pipeline);

}  // namespace luna::test
