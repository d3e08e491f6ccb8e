// psi as the scalar MLP it is, for any activation.
#pragma once

#include "runtime/psi/mlp_params.h"
#include "runtime/psi/psi.h"

namespace luna::psi {

/// Hands the MLP over with the fold multiplied into its second layer; separate psi becomes block
/// diagonal. In ATen, in float64, where the parameters are: nothing waits for a device.
class Dense : public Psi {
 public:
  Dense(MlpParams units, std::string activation)
      : units_(std::move(units)), activation_(std::move(activation)) {}

  int64_t L() const override { return units_.L(); }
  void fold(const Fold& fold, kernels::MapArgs& args) const override;
  std::vector<at::Tensor> gradients(const std::vector<FoldedGrads>& parts) const override;

 private:
  /// What the block-diagonal matrix [L, units] has of the second layer: [L, hid], a view.
  at::Tensor second_layer(const at::Tensor& matrix) const;

  MlpParams units_;
  std::string activation_;
};

}  // namespace luna::psi
