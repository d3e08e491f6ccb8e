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

/// The state that a scan carries, in both orders that products read it in.
class RunningState {
 public:
  RunningState(const FeatureLayout& layout, int64_t dv);
  /// Begins with a state (D, e).
  void start(const Matrix& state);
  /// Adds phi (x) columns of a tile's tokens; columns() and rows() change.
  void add(const Matrix& phi, const Tile& columns, int64_t tokens);

  Matrix columns() const;  ///< (D, e)
  Matrix rows() const;     ///< (e, D), e padded to kRowColumns
  /// The normaliser as coefficients of dot().
  Matrix normaliser(int64_t tokens) const;
  /// S [D, dv] and z [D] of the true features.
  void store(float* S, float* z) const;

 private:
  void refresh();
  FeatureLayout layout_;
  int64_t dv_;
  at::Tensor columns_, rows_;
};

/// Columns of a tile as coefficients of state_add: (token, e).
Matrix by_token(const Tile& columns, int64_t tokens, int64_t dv);

}  // namespace luna::kernels
