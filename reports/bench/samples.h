// Statistics of timing samples: quantiles of one row, and two rows against each other without any
// assumption on how times are distributed. Used by reports/bench and `luna bench`; tested in
// tests/reports/bench.
#pragma once

#include <vector>

namespace luna::reports {

/// Linear between order statistics: share 0 is the least, 0.5 the median, 1 the largest. `samples`
/// must not be empty.
double quantile(std::vector<double> samples, double share);
double median(const std::vector<double>& samples);
/// What lies between the quartiles, as a share of the median.
double spread(const std::vector<double>& samples);

struct Interval {
  double low, high;
};

/// 95 % interval of median(after) / median(before): percentiles of a bootstrap of both, the same
/// numbers for the same samples.
Interval ratio_interval(const std::vector<double>& before, const std::vector<double>& after);

/// Two-sided p of the Mann-Whitney U test: exact where no values tie and both have at most 20
/// samples; else normal, corrected for ties and continuity. 1 where one is empty.
double mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

/// Holm's adjustment for so many tests, in the order given: p_(i) -> max over j <= i of
/// min(1, (n - j) p_(j)), p sorted, j from 0.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace luna::reports
