// Linear attention as its formula reads, in ATen: any dtype, causal too, every map and option,
// differentiable by autograd any number of times. The oracle of the tests, and what the fused
// operators are compared with.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::ops {

/// Numerator phi(q) S [B, H, Nq, dv] and denominator after its rule [B, H, Nq, 1]; their quotient
/// is the output.
struct Quotient {
  at::Tensor numerator, denominator;
};
Quotient reference_quotient(const Inputs& inputs, const Spec& spec);

/// Same contract as the fused operators; memory O(N D hid), or O(N^2) where causal.
at::Tensor reference_attention(const Inputs& inputs, const Spec& spec);

}  // namespace luna::ops
