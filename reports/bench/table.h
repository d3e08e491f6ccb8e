// A benchmark as markdown: one table a size of head, pass and number of threads, and from which N
// on a fused operator is faster than softmax. Tested in tests/reports/bench.
#pragma once

#include <string>

#include "reports/bench/rows.h"

namespace luna::reports {

/// Ratios are of medians: "vs eager" is the fastest eager operator of the same feature map, "vs
/// SDPA" the faster of torch's, both by the row itself, above 1 is this row faster.
std::string bench_table(const BenchFile& file);

}  // namespace luna::reports
