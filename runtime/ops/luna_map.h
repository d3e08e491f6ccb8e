// One side (query or key) of LUNA's feature map: fold forward, gradients back, ch_rms included.
#pragma once

#include <memory>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/spec.h"
#include "runtime/psi/psi.h"

namespace luna::ops {

/// LUNA's feature map of one call. Both sides share the parameters; ch_rms gives each side its own
/// scale.
class LunaMap {
 public:
  LunaMap(const std::vector<at::Tensor>& params, const Spec& spec);

  /// One side's folded map and what its gradient needs.
  struct Side {
    kernels::MapArgs args;
    psi::Fold fold;
    kernels::MapArgs unscaled = {};  ///< ch_rms: of psi_l after nonneg, without any scale
    at::Tensor scale_rate = {};      ///< ch_rms: [L] ds/d(sum of squares)
  };
  Side side(const at::Tensor& x) const;

  /// Parameter gradients, both sides added up.
  struct Sum {
    std::vector<psi::FoldedGrads> psi = {};
    at::Tensor proj = {}, bias = {};
  };

  /// Adds one side's parameter gradients to sum; returns what ch_rms adds to the gradient of x, or
  /// undefined.
  at::Tensor add_gradient(const at::Tensor& x, const Side& side, const kernels::MapGrads& grads,
                          Sum& sum) const;

  /// Gradients as tensors shaped like the parameters, in their order.
  std::vector<at::Tensor> tensors(const Sum& sum) const;

 private:
  kernels::MapArgs folded(const psi::Fold& fold) const;
  /// One side of channels scaled by [L], already divided by sqrt(m).
  Side scaled(const at::Tensor& scale) const;
  at::Tensor same_scale(double scale) const;  ///< [L] of it

  std::vector<at::Tensor> params_;
  Spec spec_;
  std::unique_ptr<psi::Psi> psi_;
  double root_m_;  // sqrt(m)
  Side plain_;     // of both sides without ch_rms
};

}  // namespace luna::ops
