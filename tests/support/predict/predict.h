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
  std::string op;    ///< of experiments/bench/operators.h, "_bf16" after it for bfloat16
  std::string pass;  ///< forward, forward_backward
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

/// Of every pipeline of tokens that is called in the order of the first call; q, k and v in that
/// dtype.
std::vector<Prediction> predict(const bench::Operator& op, const bench::Size& size,
                                bench::Pass pass, at::ScalarType dtype = at::kFloat);

/// The calls that may run a pipeline: those of its dtype and head size, of its own map first, as if
/// siblings on tensor cores were not built unless it is one. hide_pipelines({}) ends that.
std::vector<const autotune::Call*> likely_calls(const std::string& pipeline);

struct PipelineCost {
  double ns;                         ///< a token of one head, at full issue
  std::vector<PtxProfile> launches;  ///< by kernel: threads and dynamic shared memory of a block
};
/// Of one pipeline in the first of them that runs it. Throws std::runtime_error where none runs it.
PipelineCost pipeline_cost(const std::string& pipeline);

/// Every fused operator that is built for CUDA, both passes, LUNA, elu and relu in bfloat16 too,
/// where they have kernels of their own; then steps of decode_operators(), one token of 64
/// sequences.
std::vector<Prediction> predict_all(const bench::Size& size);

/// As a table under a heading that says what it is.
std::string prediction_table(const std::vector<Prediction>& predictions, const bench::Size& size);

}  // namespace luna::test
