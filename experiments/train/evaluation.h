// What is measured of an encoder: loss, accuracy, health, samples of psi. Called by the trainer.
#pragma once

#include "experiments/tasks/task.h"
#include "runtime/nn/encoder.h"

namespace luna::experiments {

/// What an evaluation found.
struct Evaluation {
  double loss, accuracy;  ///< means over the labels asked for
  nn::EncoderHealth health;
  nlohmann::json line(int64_t step, const char* split) const;  ///< for metrics.jsonl
};

/// On the first `examples` of the split, `batch_size` at a time, without dropout. Leaves the
/// encoder in training mode.
Evaluation evaluate(nn::Encoder& encoder, const Task& task, Split split, int64_t examples,
                    int64_t batch_size);

/// Mean cross-entropy over the labels asked for.
at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& labels);

/// {"t": [T], "layers": [[T][L], ...]}; null where the attention learns no psi.
nlohmann::json psi_samples(nn::Encoder& encoder);

/// A number JSON can hold: null for infinities and NaN.
nlohmann::json finite(double x);

}  // namespace luna::experiments
