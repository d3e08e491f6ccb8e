// Memory of an operator: what tensors on the CPU hold while it runs. Used by `luna bench --full`
// and by the test that fused operators keep no features.
#pragma once

#include <cstdint>
#include <functional>

#include "experiments/bench/operators.h"

namespace luna::bench {

/// The most bytes that tensors made during `action` held at one time, on all threads, outputs
/// included. Memory that is not a tensor's (stacks, tiles of a kernel, BLAS packing) is not seen.
/// Not to be nested, nor run beside other work with tensors.
int64_t peak_bytes(const std::function<void()>& action);

/// What a fused operator may hold: c (d + dv) floats a token of a head, c = 1 forward and 3 with
/// backward (outputs, gradients, sites of projections), 8 states [D, dv + 1] a head (sums of
/// blocks) and 1 MiB of tables. Maps whose rows are prepared outside the kernels (unit rows, halves
/// of v) hold twice as much. Far below N D floats a head for any long sequence.
double fused_peak_limit(const Operator& op, const Size& size, int64_t features, Pass pass);

}  // namespace luna::bench
