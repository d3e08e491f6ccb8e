// Attention in eager torch, features materialised: what the fused operators replace.
#pragma once

#include "experiments/bench/operators.h"

namespace luna::bench {

/// LUNA as the paper's Listing 1 computes it: all B H N m scalars through the MLP 1 -> hid -> L in
/// chunks of a million, ReLU, 1/sqrt(m), then two products and a denominator with 1e-6 added.
/// params: proj_weight [m, d], proj_bias [m], w1, b1 [hid], w2 [L, hid], b2 [L].
at::Tensor eager_listing1(const Inputs& in);

/// Linear attention with phi(x) = elu(x) + 1.
at::Tensor eager_elu(const Inputs& in);

/// One decoding step of either: state += phi(k) v^T and norm += phi(k) in place, two products.
at::Tensor eager_listing1_step(const Inputs& in);
at::Tensor eager_elu_step(const Inputs& in);

}  // namespace luna::bench
