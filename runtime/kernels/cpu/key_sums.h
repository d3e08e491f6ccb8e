// Memory of what a training forward keeps for its backward (Forward::key_sums).
#pragma once

#include "runtime/kernels/kernels.h"

namespace luna::kernels::cpu {

/// Bytes: what the pipelines of tables count on (generators/attention/segments/segments.h).
inline constexpr int64_t kKeySumsAlignment = 64;

/// Float32, to be filled; undefined where the problem keeps no sums, or these would take more than
/// so many times v's memory.
at::Tensor key_sums_memory(const Problem& p, at::IntArrayRef shape, int64_t most);

/// Those of the forward; undefined where it kept none. Autograd had them in keeping, and its hooks
/// may give others than the forward's own: device, dtype, shape and place are not taken for
/// granted.
at::Tensor key_sums_of(const Forward& saved, at::IntArrayRef shape);

}  // namespace luna::kernels::cpu
