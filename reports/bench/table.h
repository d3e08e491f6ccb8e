// A benchmark as markdown: the machine, on a CPU what its rooflines count and how many calls at N =
// 64 are more arithmetic than overhead, one table a section (sections.h), on a GPU with its medians
// by N, tokens a second in decoding, and from which N on what is faster (crossover.h). Tested in
// tests/reports/bench.
#pragma once

#include <string>

#include "reports/bench/rows.h"

namespace luna::reports {

/// Ratios are of medians of one dtype: "vs eager" is the fastest eager operator of the same feature
/// map, "vs SDPA" the fastest of torch's kernels, both by the row itself, above 1 is this row
/// faster. Spread is what lies between the quartiles, by the median.
std::string bench_table(const BenchFile& file);

}  // namespace luna::reports
