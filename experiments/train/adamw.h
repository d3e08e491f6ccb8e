// AdamW (Loshchilov & Hutter 2019) over all parameters of a module as one flat vector: a step is a
// dozen vector operations instead of a dozen a parameter, and its state is three tensors. The same
// numbers as torch::optim::AdamW. Tested in tests/experiments/train.
#pragma once

#include <torch/nn/module.h>

#include "experiments/train/cell.h"

namespace luna::experiments {

class AdamW {
 public:
  /// Moves the module's parameters and their gradients into flat vectors, of which they become
  /// views.
  AdamW(torch::nn::Module& module, const TrainConfig& train);

  void zero_grad() { gradient_.zero_(); }
  /// Clips as the configuration says; returns the norm of the gradient before clipping.
  double clip();
  /// One update; `step` is the number of updates before it.
  void step(int64_t step, double lr, double beta1);

  /// Parameters and both moments, for checkpoints; restore by copying into them.
  std::vector<at::Tensor> state() const { return {parameters_, first_, second_}; }
  int64_t size() const { return parameters_.numel(); }

 private:
  TrainConfig train_;
  at::Tensor parameters_, gradient_, first_, second_;
};

}  // namespace luna::experiments
