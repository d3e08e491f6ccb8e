// The smallest task: eight tokens, each labelled with itself. And a cell that trains on it in
// seconds.
#pragma once

#include "experiments/train/cell.h"

namespace luna::experiments::test {

class CopyTask : public Task {
 public:
  /// on_call runs at the start of every call for data: the place to die in.
  explicit CopyTask(std::function<void()> on_call = {}) : on_call_(std::move(on_call)) {}

  const TaskShape& shape() const override { return shape_; }
  Batch train_batch(int64_t size, uint64_t seed, int64_t step) const override;
  int64_t examples(Split /*split*/) const override { return 24; }
  Batch held_out(Split split, int64_t begin, int64_t count) const override;
  double majority_class() const override;
  nlohmann::json provenance() const override;

 private:
  void called() const {
    if (on_call_) on_call_();
  }
  TaskShape shape_{/*vocabulary=*/9, /*length=*/8, /*classes=*/8, /*per_token=*/true};
  std::function<void()> on_call_;
};

/// 12 steps of batches of 8, a line a step, evaluated at 5 and 10, saved at the end. Calls for
/// data: one a step, two an evaluation, one for majority_class.
CellConfig copy_cell(const std::string& attention);

inline void no_progress(const CellProgress& /*progress*/) {}

}  // namespace luna::experiments::test
