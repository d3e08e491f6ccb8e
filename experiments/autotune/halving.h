// Successive halving: all candidates get a few rounds, the better third more, and so on, until one
// is left to be held against the default. Tested in tests/experiments/autotune.
#pragma once

#include <string>
#include <vector>

#include "experiments/autotune/state.h"

namespace luna::autotune {

/// Rungs that so many candidates climb, the last with one of them: 1 for one, 2 for two or three.
int rungs_of(size_t candidates);

/// The better third (at least one) by the median of their ratios, the best first.
std::vector<std::string> better_third(const State& state, const std::string& pipeline,
                                      const std::vector<std::string>& alive);

/// One candidate against the default: median of its ratios with its 95 % interval.
struct Verdict {
  double ratio, low, high;
  int rounds;
  /// At least one percent, and surely something.
  bool gain() const { return ratio <= 0.99 && high < 1; }
};
Verdict verdict(const std::vector<double>& ratios);

}  // namespace luna::autotune
