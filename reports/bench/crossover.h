// From which N on an operator is faster than another. Tested in tests/reports/bench.
#pragma once

#include <string>
#include <vector>

#include "reports/bench/sections.h"

namespace luna::reports {

/// The least N from which on the operator is faster than softmax by the best of SDPA's kernels,
/// than eager elu+1, and than the same map by torch.compile and by flash-linear-attention, wherever
/// both were timed: a line a section and operator, the operators this library's and eager elu+1.
/// Empty where no section has two N of such a pair.
std::string crossovers(const std::vector<Section>& sections);

}  // namespace luna::reports
