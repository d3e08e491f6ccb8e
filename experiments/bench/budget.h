// How the time of a full benchmark is shared out. Tested in tests/experiments/bench.
#pragma once

#include "experiments/bench/sweep.h"

namespace luna::bench {

constexpr int64_t kFewestSamples = 5;  ///< of a row of a full benchmark

/// Seconds that a gate of so many operators and modes takes, for what is said before it: some 0.15
/// each, measured on one core of an AMD EPYC (Zen 4).
double gate_seconds(size_t checks);

/// What remains of a budget, shared among groups by weight: rows * N^(1/4), so that large sizes get
/// more and small ones enough.
double share_of(const Group& group, const std::vector<Group>& left, double seconds);

/// Samples a row of a group in so many seconds, one round of all of them taking round_s.
int64_t repetitions_for(double seconds, double round_s);

}  // namespace luna::bench
