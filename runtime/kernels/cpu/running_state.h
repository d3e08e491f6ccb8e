// Augmented states [D, dv + 1] (S and z, or R and -u) as passes keep them while they run.
#pragma once

#include <vector>

#include "runtime/kernels/cpu/state.h"
#include "runtime/kernels/cpu/tile.h"

namespace luna::kernels {

/// States of every task, (D, e), zero to begin with.
class TaskStates {
 public:
  TaskStates(int64_t tasks, const FeatureLayout& layout, int64_t dv);
  Matrix of(int64_t task) const;
  /// Sums over the tasks of a key head, which are adjacent: S [B, Hk, D, dv], z [B, Hk, D].
  void reduce(at::Tensor& S, at::Tensor& z) const;
  /// Replaces every task's state by the sum of those before it (after it) of the same `slots`
  /// tasks.
  void sum_before(int64_t slots) { sum_others(slots, false); }
  void sum_after(int64_t slots) { sum_others(slots, true); }

 private:
  void sum_others(int64_t slots, bool reverse);
  FeatureLayout layout_;
  int64_t dv_, columns_;
  at::Tensor memory_;
};

/// The state that scans carry, in both orders; each of them is what its scans made of it.
class RunningState {
 public:
  RunningState(const FeatureLayout& layout, int64_t dv);
  /// Begins with a state (D, e), or with none.
  void start(const Matrix& state) const;
  void clear() const;

  Matrix columns() const;  ///< (D, e), the normaliser at e = dv
  Matrix rows() const;     ///< (e, D), e < dv padded to kRowColumns
  /// The state (D, e) of rows() and columns()' normaliser.
  void copy_to(const Matrix& state) const;
  /// S [D, dv] of rows() and z [D] of columns(), true features alone.
  void store(float* S, float* z) const;

 private:
  FeatureLayout layout_;
  int64_t dv_;
  at::Tensor columns_, rows_;
};

}  // namespace luna::kernels
