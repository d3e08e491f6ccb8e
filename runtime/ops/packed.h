// Packed sequences: several in one row of tokens, told apart by the offsets where they begin.
#pragma once

#include <vector>

#include "runtime/ops/spec.h"

namespace luna::ops {

/// cu_seqlens, if given: int32 [S + 1], on the host or on q's device, from 0 to N without falling
/// (a sequence may be empty); B = 1 and Nq = N. While a graph is traced its values are not looked
/// at (check_values() is for when it runs). op: the name messages begin with. Returns the offsets;
/// none where there are none or they cannot be read.
std::vector<int64_t> check_packed(const char* op, const Inputs& inputs);

/// Whether values can be looked at: not while a graph is traced, nor of a meta tensor or one that
/// torch.func wraps.
bool readable(const at::Tensor& x);

/// The S + 1 offsets; waits for the device where they lie on one.
std::vector<int64_t> offsets(const at::Tensor& cu_seqlens);

/// The tokens of [first, last) alone, not packed.
Inputs sequence(const Inputs& inputs, int64_t first, int64_t last);

/// Tokens of the longest sequence, by its offsets.
int64_t longest(const std::vector<int64_t>& begins);
/// The same of the inputs; 0 where the offsets cannot be read, and max(Nq, N) where the
/// inputs are not packed.
c10::SymInt longest(const Inputs& inputs);

}  // namespace luna::ops
