// Prefill and decoding steps of a case through the public operators.
#pragma once

#include "runtime/luna.h"
#include "tests/support/inputs.h"

namespace luna::test {

/// The first `tokens` of the inputs, which lie on the host: so does the output, the state where the
/// fused operators run.
Prefilled prefill(const ops::Inputs& inputs, const ops::Spec& spec, int64_t tokens);

/// The output [B, H, dv] of token n, which state and norm take in.
at::Tensor decode_step(const ops::Inputs& inputs, const ops::Spec& spec, int64_t n,
                       const at::Tensor& state, const at::Tensor& norm);

}  // namespace luna::test
