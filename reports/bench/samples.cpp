#include "reports/bench/samples.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace luna::reports {
namespace {

constexpr int kResamples = 2000;
constexpr size_t kExact = 20;  // samples a side

std::vector<double> resampled(const std::vector<double>& samples, std::mt19937_64& random) {
  std::vector<double> drawn(samples.size());
  for (double& value : drawn) value = samples[random() % samples.size()];
  return drawn;
}

/// Distribution of U without ties: the coefficients of the Gaussian binomial of n + m over n, as
/// shares. counts[j][u]: subsets of j of the items so far whose U is u.
std::vector<double> u_distribution(size_t n, size_t m) {
  std::vector<std::vector<double>> counts(n + 1, std::vector<double>(n * m + 1, 0));
  counts[0][0] = 1;
  for (size_t item = 0; item < n + m; ++item) {
    for (size_t j = std::min(n, item + 1); j >= 1; --j) {
      const size_t above = item + 1 - j;  // of the other sample, below this item
      if (above > m) continue;
      for (size_t u = n * m; u + 1 > above; --u) counts[j][u] += counts[j - 1][u - above];
    }
  }
  const double all = std::accumulate(counts[n].begin(), counts[n].end(), 0.0);
  for (double& count : counts[n]) count /= all;
  return counts[n];
}

struct Ranks {
  double u;     ///< pairs in which a is the larger, ties half
  double ties;  ///< sum of t^3 - t over groups of t equal values
};

Ranks ranks_of(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<std::pair<double, bool>> all;  // value, is of a
  for (const double value : a) all.emplace_back(value, true);
  for (const double value : b) all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  double sum = 0, ties = 0;
  for (size_t begin = 0, end; begin < all.size(); begin = end) {
    for (end = begin; end < all.size() && all[end].first == all[begin].first;) ++end;
    const double rank = static_cast<double>(begin + end + 1) / 2;
    const auto size = static_cast<double>(end - begin);
    for (size_t i = begin; i < end; ++i) sum += all[i].second ? rank : 0;
    ties += size * size * size - size;
  }
  const auto n = static_cast<double>(a.size());
  return {sum - n * (n + 1) / 2, ties};
}

}  // namespace

double quantile(std::vector<double> samples, double share) {
  std::sort(samples.begin(), samples.end());
  const double place = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (place - static_cast<double>(below)) * (samples[above] - samples[below]);
}

double median(const std::vector<double>& samples) { return quantile(samples, 0.5); }

double spread(const std::vector<double>& samples) {
  return (quantile(samples, 0.75) - quantile(samples, 0.25)) / median(samples);
}

Interval ratio_interval(const std::vector<double>& before, const std::vector<double>& after) {
  std::mt19937_64 random(1);
  std::vector<double> ratios(kResamples);
  for (double& ratio : ratios) {
    const double divisor = median(resampled(before, random));
    ratio = median(resampled(after, random)) / divisor;
  }
  return {quantile(ratios, 0.025), quantile(ratios, 0.975)};
}

double mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || b.empty()) return 1;
  const auto [u, ties] = ranks_of(a, b);
  const auto n = static_cast<double>(a.size()), m = static_cast<double>(b.size());
  if (ties == 0 && std::max(a.size(), b.size()) <= kExact) {
    const std::vector<double> shares = u_distribution(a.size(), b.size());
    const auto end = static_cast<std::ptrdiff_t>(std::min(u, n * m - u)) + 1;
    return std::min(1.0, 2 * std::accumulate(shares.begin(), shares.begin() + end, 0.0));
  }
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)));
  if (variance <= 0) return 1;
  const double distance = std::max(0.0, std::abs(u - n * m / 2) - 0.5);
  return std::erfc(distance / std::sqrt(2 * variance));
}

double smallest_mann_whitney(size_t n, size_t m) {
  std::vector<double> values(n + m);
  std::iota(values.begin(), values.end(), 0.0);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(n);
  return mann_whitney({values.begin(), middle}, {middle, values.end()});
}

std::vector<double> benjamini_hochberg(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  std::vector<double> adjusted(p.size());
  const auto all = static_cast<double>(p.size());
  double least = 1;
  for (size_t rank = p.size(); rank >= 1; --rank) {
    least = std::min(least, all / static_cast<double>(rank) * p[order[rank - 1]]);
    adjusted[order[rank - 1]] = least;
  }
  return adjusted;
}

}  // namespace luna::reports
