// The operators that `luna selftest` compares, each in all of its options.
#pragma once

#include <optional>

#include "experiments/bench/operators.h"
#include "runtime/ops/spec.h"

namespace luna::bench {

/// whole: the attention operator; packed: the same on sequences in one row; decoded: a prefill of
/// all tokens but the last, and a step.
enum class Form { whole, packed, decoded };

/// A fused operator beside its formula, on tensors of any device. Masks and offsets are on the
/// host; decoded: without either, inputs have room for the state.
Operator operator_of(const ops::Spec& spec, Form form, const std::optional<at::Tensor>& mask,
                     const std::optional<at::Tensor>& offsets);

}  // namespace luna::bench
