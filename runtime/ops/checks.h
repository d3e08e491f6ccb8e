// Argument checks of the attention operators: every message names the argument, what was given and
// what is accepted. Sizes are symbolic, so the same checks hold while a graph is traced.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::ops {

/// That a fixed map of that name exists.
void check_fixed_map(const char* op, const std::string& name);

/// Neither sparse nor nested.
void check_dense(const char* op, const char* name, const at::Tensor& x);

/// Names, ranges, layouts, ranks, sizes, devices and dtypes that agree. op: the name messages begin
/// with.
void check(const char* op, const Inputs& inputs, const Spec& spec);

/// What values alone tell, which a traced graph cannot: once more on the tensors it runs on.
/// Returns check_packed()'s offsets.
std::vector<int64_t> check_values(const char* op, const Inputs& inputs, const Spec& spec);

/// What the kernels do not do: dtypes other than float32, bfloat16 and float16, psi beyond what
/// check_psi_built takes; and more elements than they can count. The reference does all of it.
void check_built(const char* op, const Inputs& inputs, const Spec& spec);

/// On CUDA, where one launch indexes the state of all its sequences by 32 bits: those of the batch,
/// or of a group of packed ones. On the CPU no index spans more than one head's.
void check_state_elements(const char* op, const Inputs& inputs, const Spec& spec);

}  // namespace luna::ops
