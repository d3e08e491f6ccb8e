// Learning rate and beta1 of every step. Tested in tests/experiments/train.
#pragma once

#include "experiments/train/cell.h"

namespace luna::experiments {

struct StepRates {
  double lr, beta1;
};

/// Rates of `step`, 0 <= step < train.steps:
///   cosine           lr (step + 1)/warmup, then lr (1 + cos(pi t))/2
///   floored_cosine   lr (0.1 + 0.9 (step + 1)/warmup), then lr (0.4 + 0.6 (1 + cos(pi t))/2)
///                    (the same-laboratory LOTFormer code)
///   one_cycle        linear lr/25 -> lr in `warmup` steps -> lr/25/1e4, beta1 0.95 -> 0.85 -> 0.95
///                    (Skyformer's; torch's OneCycleLR with anneal_strategy "linear")
/// t runs from 0 to 1 over the steps after the warm-up.
StepRates rates_at(const TrainConfig& train, int64_t step);

}  // namespace luna::experiments
