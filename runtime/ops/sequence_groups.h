// Packed sequences as batches: which of them one call of the kernels takes, and their tokens among
// those of the one row.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::ops {

/// Sequences that are computed side by side: one alone, whose tensors are views of the row's, or
/// several as a batch [G, heads, longest, ..], padded behind their ends with their last token.
class SequenceGroup {
 public:
  /// Of one sequence.
  SequenceGroup(int64_t sequence, int64_t first, int64_t tokens);
  /// Of several, each of at least one token; the tables are made on `device`.
  SequenceGroup(const std::vector<int64_t>& begins, std::vector<int64_t> sequences,
                c10::Device device);

  /// A call's inputs: tokens that only pad are masked.
  Inputs inputs(const Inputs& row) const;
  /// x [.., 1, heads, N, ..] of the row, with N at `dim` >= 2 -> [.., G, heads, longest, ..].
  at::Tensor of(const at::Tensor& x, int64_t dim) const;
  /// The same of gradients: 0 where a token only pads.
  at::Tensor gradients_of(const at::Tensor& grad) const;
  /// Writes such an x to its tokens in the row.
  void put(const at::Tensor& x, const at::Tensor& row, int64_t dim) const;
  /// One entry a sequence: x [S, ..] -> [G, ..], and back.
  at::Tensor of_sequences(const at::Tensor& x) const;
  void put_sequences(const at::Tensor& x, const at::Tensor& all) const;

 private:
  bool alone() const { return sequences_.size() == 1; }

  std::vector<int64_t> sequences_;
  int64_t first_ = 0, tokens_ = 0;  ///< of one alone
  at::Tensor rows_;                 ///< [G]: sequences_
  at::Tensor source_;               ///< [G longest]: the row's token
  at::Tensor pads_;                 ///< [G, longest] bool
  at::Tensor real_, places_;        ///< tokens of the row, and where they are in the batch
};

/// On the CPU each sequence is a group, which the caller may take in parallel. On CUDA, where a
/// call is a few dozen launches, sequences whose lengths have the same power of two above them are
/// one, so that there are no more than some log2(N) groups and padding at most doubles the tokens;
/// but where a call's result depends on how many tokens there are (ch_rms, cosformer without a
/// length) each is alone.
std::vector<SequenceGroup> sequence_groups(const std::vector<int64_t>& begins, const Spec& spec,
                                           c10::Device device);

}  // namespace luna::ops
