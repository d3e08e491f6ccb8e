// The correctness gate before any number is printed: every operator against its formula in float64.
#pragma once

#include <string>
#include <vector>

#include "experiments/bench/operators.h"

namespace luna::bench {

struct GateResult {
  std::string name;
  /// Largest difference relative to the largest value, of the tensor nearest its limit: output, dq,
  /// dk, dv or the gradient of a learned parameter.
  double max_error;
  double limit;  ///< max(3x the formula's own error in float32, 3e-6; parameters: 3e-4; see check)
  bool passed() const { return max_error <= limit; }
};

/// Compares one operator on a small input of the given head size. NaN anywhere fails.
GateResult check(const Operator& op, const Size& size, bool causal = false,
                 at::ScalarType dtype = at::kFloat);

/// Compares one operator that is run in `dtype` with its formula on these inputs, rounded to it. In
/// half precision the limit is at least two roundings of bfloat16, four of float16.
GateResult check(const Operator& op, const Inputs& inputs, at::ScalarType dtype = at::kFloat);

/// The operator on tensors of a device while inputs and result stay on the host, as checks need it.
Operator through(const Operator& op, c10::Device device);

/// The error for a result that has not passed, and what follows from it.
std::string gate_failure(const GateResult& result, const Size& size,
                         const char* consequence = "nothing was timed");

/// What torch's error says, without what follows its first line.
std::string first_line(const c10::Error& error);

}  // namespace luna::bench
