// Checks of a feature map's parameters, learned and fixed.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::ops {

/// Their number. The map's name has been checked. op: the name messages begin with.
void check_param_count(const char* op, const Inputs& inputs, const Spec& spec);

/// Their shapes, and that a drawn one needs no gradient. Their number, and q, k, v
/// have been checked.
void check_params(const char* op, const Inputs& inputs, const Spec& spec);

/// That the kernels evaluate LUNA's psi as asked: an MLP (psi "dense") of an activation that they
/// have as such, or no more knots than they search.
void check_psi_built(const char* op, const Inputs& inputs, const Spec& spec);

/// The i-th parameter's name in messages.
const char* param_name(const Spec& spec, size_t i);

}  // namespace luna::ops
