// `luna compare`: two benchmark files row by row. Tested in tests/reports/bench.
#pragma once

#include <string>
#include <vector>

#include "reports/bench/rows.h"
#include "reports/bench/samples.h"

namespace luna::reports {

enum class Change { kNone, kFaster, kSlower };

struct RowChange {
  std::string key;
  double before, after;  ///< median seconds
  Interval interval;     ///< 95 % of after / before, of this row by itself
  double least_p;        ///< the smallest p that so many samples can have, unadjusted
  double p;              ///< Mann-Whitney, adjusted for the rows compared: benjamini_hochberg()
  double ratio() const { return after / before; }
  /// Faster or slower where p <= 0.05.
  Change change() const;
};

struct Comparison {
  std::vector<RowChange> rows;                       ///< in the order of `after`
  std::vector<std::string> only_before, only_after;  ///< keys
};

/// "cpu: A and B; cores: 2 and 8"; empty where both are of one machine.
std::string machine_difference(const BenchFile& before, const BenchFile& after);

Comparison compare(const BenchFile& before, const BenchFile& after);

/// How many rows have too few samples to be found different by themselves: the smallest p that they
/// can have is above 0.05 / rows. Together with others that differ they may be found.
int64_t too_few_samples(const Comparison& comparison);

/// One line a row, then how many changed. Ratios are new by old: below 1 is faster.
std::string comparison_text(const Comparison& comparison);

/// Whether a row is significantly slower, and by more than so many percent.
bool any_slower(const Comparison& comparison, double percent);

}  // namespace luna::reports
