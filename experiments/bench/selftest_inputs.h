// What `luna selftest` runs the operators on.
#pragma once

#include "experiments/bench/operators.h"
#include "runtime/ops/spec.h"

namespace luna::bench {

struct Configuration {
  int64_t B, H, Hk, Nq, N, d, dv, m, L, hid;
};

/// Small random inputs of a map with learned parameters that want gradients; as many queries as
/// keys where it is causal. The same for the same seed.
Inputs draw(const ops::Spec& spec, const Configuration& configuration, uint64_t seed);

}  // namespace luna::bench
