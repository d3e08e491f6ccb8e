// Linear attention as its formula reads, in ATen: any dtype, causal and packed too, every map and
// option, differentiable by autograd any number of times. The oracle of the tests, and what the
// fused operators are compared with.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::ops {

/// psi's activation by its name.
at::Tensor activate(const at::Tensor& x, const std::string& activation);

/// Numerator phi(q) S [B, H, Nq, dv] and denominator after its rule [B, H, Nq, 1]; their quotient
/// is the output. Maps whose value columns are attended apart have a denominator a column,
/// [B, H, Nq, dv].
struct Quotient {
  at::Tensor numerator, denominator;
};
Quotient reference_quotient(const Inputs& inputs, const Spec& spec);

/// Same contract as the fused operators; memory O(N D hid), or O(N^2) where causal. Where causal,
/// nothing of a token, not even its NaN, reaches the output or q's gradient of an earlier one.
at::Tensor reference_attention(const Inputs& inputs, const Spec& spec);

/// What decoding carries from token to token.
struct DecodeState {
  at::Tensor state;    ///< sum of phi(k) v^T, [B, Hk, D, dv]
  at::Tensor norm;     ///< sum of phi(k), [B, Hk, D]
  int64_t tokens = 0;  ///< so far, masked ones counted
};

/// The state behind the last of the inputs' N keys (q does not matter but for its head count).
DecodeState reference_prefill(const Inputs& inputs, const Spec& spec);

/// The output [B, H, 1, dv] of one more token (Nq = N = 1; key_mask [B, 1]), which `state` takes
/// in. Prefill and steps together equal causal attention.
at::Tensor reference_decode_step(const Inputs& inputs, const Spec& spec, DecodeState& state);

}  // namespace luna::ops
