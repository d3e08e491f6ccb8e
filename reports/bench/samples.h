// Statistics of timing samples: quantiles of one row, and two rows against each other without any
// assumption on how times are distributed. Used by reports/bench and `luna bench`; tested in
// tests/reports/bench.
#pragma once

#include <cstddef>
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

/// Its p where every value of a is below every one of b: the smallest of n and m samples.
double smallest_mann_whitney(size_t n, size_t m);

/// Adjustment for so many tests, in the order given: p_(i) -> min over j >= i of min(1, n / j
/// p_(j)), p sorted, j from 1. Of the tests whose adjusted p is at most q, no more than q are false
/// discoveries on average, where tests are independent (Benjamini and Hochberg, Controlling the
/// false discovery rate, J. R. Statist. Soc. B 57, 1995).
std::vector<double> benjamini_hochberg(const std::vector<double>& p);

}  // namespace luna::reports
