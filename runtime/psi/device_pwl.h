// Pwl of units whose parameters stay on their CUDA device.
#pragma once

#include "runtime/kernels/cuda/psi_table.h"
#include "runtime/psi/activation.h"
#include "runtime/psi/mlp_params.h"
#include "runtime/psi/psi.h"

namespace luna::psi {

/// What Pwl gives, by kernels: the host reads no parameter, so that a call waits for nothing and
/// can be captured in a CUDA graph.
class DevicePwl : public Psi {
 public:
  /// Whether the units are on a CUDA device that has the kernels.
  static bool takes(const MlpParams& units, const PiecewiseLinear& activation);
  DevicePwl(const MlpParams& units, const PiecewiseLinear& activation);

  int64_t L() const override { return units_.b2.numel(); }
  void fold(const Fold& fold, kernels::MapArgs& args) const override;
  std::vector<at::Tensor> gradients(const std::vector<FoldedGrads>& parts) const override;

 private:
  kernels::cuda::PsiUnits units_;
  kernels::cuda::PsiKnots knots_;
};

}  // namespace luna::psi
