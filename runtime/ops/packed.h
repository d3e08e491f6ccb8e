// Packed sequences: several in one row of tokens, told apart by the offsets where they begin.
#pragma once

#include <vector>

#include "runtime/ops/spec.h"

namespace luna::ops {

/// cu_seqlens, if given: int32 [S + 1], on the host or on q's device, from 0 to N without falling
/// (a sequence may be empty); B = 1 and Nq = N. While a graph is traced its values are not looked
/// at. op: the name messages begin with.
void check_packed(const char* op, const Inputs& inputs);

/// The S + 1 offsets; waits for the device where they lie on one.
std::vector<int64_t> offsets(const at::Tensor& cu_seqlens);

}  // namespace luna::ops
