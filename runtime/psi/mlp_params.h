// The parameters of psi's MLP.
#pragma once

#include <ATen/ATen.h>

namespace luna::psi {

/// psi_l(t) = b2_l + sum_h w2_lh act(w1_h t + b1_h): w1, b1 [hid] or, a channel's own units, [L,
/// hid], w2 [L, hid], b2 [L], float32.
struct MlpParams {
  at::Tensor w1, b1, w2, b2;

  int64_t L() const { return w2.size(0); }
  int64_t hid() const { return w2.size(1); }
  bool separate() const { return w1.dim() == 2; }
  int64_t count() const { return w1.numel(); }  ///< of scalar units act(w1 t + b1)
};

}  // namespace luna::psi
