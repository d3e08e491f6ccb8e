// kernels::Forward::key_sums on their way from a training forward to its backward. The internal
// operators do not return them: their outputs' shapes follow from the arguments' shapes, that of
// these sums from psi's values. A graph that was traced knows the operators alone; its backward
// sums again, as does one whose forward something stood in for (autograd.cpp).
#pragma once

#include <ATen/ATen.h>

#include <utility>
#include <vector>

namespace luna::ops {

/// While it lives, what a forward or a backward called on this thread finds as current(). They
/// nest.
class KeptSums {
 public:
  /// Of a forward, which is to leave its sums here or not.
  explicit KeptSums(bool wanted) : KeptSums(wanted, {}) {}
  /// Of a backward, which takes them (none: sums again).
  explicit KeptSums(std::vector<at::Tensor> sums) : KeptSums(false, std::move(sums)) {}
  ~KeptSums() { current_ = outer_; }
  KeptSums(const KeptSums&) = delete;
  KeptSums& operator=(const KeptSums&) = delete;

  /// nullptr: outside of autograd.
  static KeptSums* current() { return current_; }

  const bool wanted;
  std::vector<at::Tensor> sums;

 private:
  KeptSums(bool wanted, std::vector<at::Tensor> sums)
      : wanted(wanted), sums(std::move(sums)), outer_(std::exchange(current_, this)) {}

  static inline thread_local KeptSums* current_ = nullptr;
  KeptSums* const outer_;
};

}  // namespace luna::ops
