// The training loop of one cell on a task that is already made; train_cell() (cell.h) makes it.
#pragma once

#include "experiments/train/adamw.h"
#include "experiments/train/cell.h"
#include "experiments/train/cell_folder.h"
#include "experiments/train/checkpoint.h"
#include "experiments/train/evaluation.h"
#include "runtime/nn/encoder.h"

namespace luna::experiments {

class Trainer {
 public:
  Trainer(const CellConfig& config, const Task& task, const CellFolder& folder);

  /// From the checkpoint, if there is one, to the end; writes DONE.
  void run(const std::function<void(const CellProgress&)>& progress);
  /// Learned parameters.
  int64_t parameters() const { return optimizer_.size(); }

 private:
  struct StepResult {
    double loss, grad_norm, lr;
  };
  StepResult train_step();
  void watch(const StepResult& result);
  Evaluation evaluate(Split split, int64_t examples);
  void log(const StepResult& result);
  void save();
  void resume();
  void finish();
  std::vector<at::Tensor> state() const;
  double seconds() const;

  CellConfig config_;
  const Task& task_;
  CellFolder folder_;
  std::unique_ptr<nn::Encoder> encoder_;
  AdamW optimizer_;
  std::unique_ptr<MetricsLog> metrics_;
  nlohmann::json first_psi_;  ///< samples before the first step: the seed alone decides them
  int64_t step_ = 0;
  double earlier_seconds_ = 0, started_ = 0, saved_ = 0;
};

}  // namespace luna::experiments
