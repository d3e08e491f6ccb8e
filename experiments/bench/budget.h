// How the time of a full benchmark is shared out. Tested in tests/experiments/bench.
#pragma once

#include "experiments/bench/sweep.h"

namespace luna::bench {

/// What remains of a budget, shared among groups by weight: rows * N^(1/4), so that large sizes get
/// more and small ones enough.
double share_of(const Group& group, const std::vector<Group>& left, double seconds);

/// Samples a row of a group in so many seconds, one round of all of them taking round_s.
int64_t repetitions_for(double seconds, double round_s);

}  // namespace luna::bench
