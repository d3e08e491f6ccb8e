// psi as the scalar MLP it is, for any activation.
#pragma once

#include "runtime/psi/psi.h"

namespace luna::psi {

/// Hands the MLP over with the fold multiplied into its second layer; separate psi becomes block
/// diagonal.
class Dense : public HostPsi {
 public:
  Dense(Weights weights, std::string activation)
      : HostPsi(std::move(weights)), activation_(std::move(activation)) {}

  void fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const override;
  void unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const override;

 private:
  std::string activation_;
};

}  // namespace luna::psi
