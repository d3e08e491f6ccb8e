// The rows of a benchmark by table: what shares all but the operator and N. Used by table.cpp and
// crossover.cpp.
#pragma once

#include <string>
#include <vector>

#include "reports/bench/rows.h"

namespace luna::reports {

using Rows = std::vector<const BenchRow*>;

struct Section {
  std::string title;
  Rows rows;  ///< by N, those of one N as in the file
};

/// On a CPU rows of one B, H, d and number of threads. On a GPU, whose sizes keep it busy, rows of
/// one B N, H and d; threads are none of it. Likewise one dtype, pass and causal or not.
std::vector<Section> sections_of(const BenchFile& file);

/// Least median of the rows of that N, kind and map (any where empty); 0 without one.
double fastest(const Rows& rows, int64_t N, const std::string& kind, const std::string& map);

}  // namespace luna::reports
