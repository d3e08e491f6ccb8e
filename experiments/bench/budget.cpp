#include "experiments/bench/budget.h"

#include <algorithm>
#include <cmath>

namespace luna::bench {
namespace {

constexpr int64_t kMost = 30;  // samples a row

double weight(const Group& group) {
  return static_cast<double>(group.rows.size()) * std::pow(static_cast<double>(group.size.N), 0.25);
}

}  // namespace

double gate_seconds(size_t checks) { return 0.15 * static_cast<double>(checks); }

double share_of(const Group& group, const std::vector<Group>& left, double seconds) {
  double all = 0;
  for (const Group& other : left) all += weight(other);
  return seconds * weight(group) / all;
}

int64_t repetitions_for(double seconds, double round_s) {
  if (!(round_s > 0) || seconds <= 0) return kFewestSamples;
  return static_cast<int64_t>(std::clamp(seconds / round_s, static_cast<double>(kFewestSamples),
                                         static_cast<double>(kMost)));
}

}  // namespace luna::bench
