// Pwl of ReLU units whose parameters stay on their CUDA device.
#pragma once

#include "runtime/kernels/cuda/psi_table.h"
#include "runtime/psi/psi.h"

namespace luna::psi {

/// What Pwl gives, by kernels: the host reads no parameter, so that a call waits for nothing and
/// can be captured in a CUDA graph. All channels have one scale; its gradient is not given.
class DevicePwl : public Psi {
 public:
  explicit DevicePwl(kernels::cuda::PsiUnits units) : units_(std::move(units)) {}

  int64_t L() const override { return units_.b2.numel(); }
  void fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const override;
  Gradient no_gradient() const override { return {}; }
  void unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const override;
  std::vector<at::Tensor> tensors(const Gradient& sum, const at::Tensor& like) const override;

 private:
  kernels::cuda::PsiUnits units_;
};

}  // namespace luna::psi
