#include "experiments/train/adamw.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace luna::experiments {
namespace {

/// Takes one square root on one thread. MKL, which torch calls for it, is not ready for the first
/// to be on several threads: in 3 of 90 processes one of two threads then was off by 1e-4 in its
/// half.
void prepare_square_roots() { at::ones({1}).sqrt(); }

}  // namespace

AdamW::AdamW(torch::nn::Module& module, const TrainConfig& train) : train_(train) {
  const at::NoGradGuard no_grad;
  prepare_square_roots();
  const std::vector<at::Tensor> parts = module.parameters();
  int64_t total = 0;
  for (const at::Tensor& part : parts) total += part.numel();
  parameters_ = at::empty({total});
  gradient_ = at::zeros({total});
  first_ = at::zeros({total});
  second_ = at::zeros({total});
  int64_t offset = 0;
  for (at::Tensor part : parts) {
    const auto view_of = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, part.numel()).view(part.sizes());
    };
    view_of(parameters_).copy_(part);
    part.set_data(view_of(parameters_));
    part.mutable_grad() = view_of(gradient_);
    offset += part.numel();
  }
}

double AdamW::clip() {
  const double norm = gradient_.norm().item<double>();
  if (train_.clip == "value") {
    gradient_.clamp_(-train_.clip_at, train_.clip_at);
  } else if (train_.clip == "norm" && norm > train_.clip_at) {
    gradient_.mul_(train_.clip_at / (norm + 1e-6));
  }
  return norm;
}

void AdamW::step(int64_t step, double lr, double beta1) {
  const at::NoGradGuard no_grad;
  const double updates = static_cast<double>(step + 1);
  const double correction1 = 1 - std::pow(beta1, updates);
  const double correction2 = std::sqrt(1 - std::pow(train_.beta2, updates));
  if (train_.weight_decay != 0) parameters_.mul_(1 - lr * train_.weight_decay);
  first_.lerp_(gradient_, 1 - beta1);
  second_.mul_(train_.beta2).addcmul_(gradient_, gradient_, 1 - train_.beta2);
  const at::Tensor denominator = second_.sqrt().div_(correction2).add_(train_.adam_eps);
  parameters_.addcdiv_(first_, denominator, -lr / correction1);
}

}  // namespace luna::experiments
