// The correctness gate before any number is printed: every operator against its formula in float64.
#pragma once

#include <string>
#include <vector>

#include "experiments/bench/operators.h"

namespace luna::bench {

struct GateResult {
  std::string name;
  double max_error;  ///< over output, dq, dk, dv: largest difference relative to the largest value
  double limit;      ///< max(3x the formula's own error in float32, 3e-6)
  bool passed() const { return max_error <= limit; }
};

/// Compares one operator on a small input of the given head size. NaN anywhere fails.
GateResult check(const Operator& op, const Size& size);

}  // namespace luna::bench
