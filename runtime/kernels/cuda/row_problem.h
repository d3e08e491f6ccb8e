// A call by features in memory: its two sides, and how they are cut into pieces and chunks.
#pragma once

#include "runtime/kernels/cuda/row_map.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

/// A side's weights of a piece, undefined where there are none.
at::Tensor weight_of(const at::Tensor& weight, const Piece& piece);

/// A state of every b and key head as the products read it.
at::Tensor by_head(const Piece& piece, const at::Tensor& state);

class RowProblem {
 public:
  RowProblem(const Backend& backend, const Problem& p);

  const Backend& backend() const { return backend_; }
  const Problem& p() const { return p_; }
  const RowMap& q_map() const { return q_map_; }
  const RowMap& k_map() const { return k_map_; }
  int64_t group() const { return group_; }
  int64_t dv() const { return p_.v.size(3); }
  /// Of a state: dv values, the normaliser and padding.
  int64_t columns() const { return columns_; }

  /// Pieces of a side's tokens, by the memory that both sides' features and, causal, the chunks'
  /// states take.
  std::vector<Piece> pieces_of(const at::Tensor& x) const;
  RowFeatures queries(const Piece& piece) const;
  RowFeatures keys(const Piece& piece) const;
  /// [w v, w] of the piece's keys.
  at::Tensor key_columns(const Piece& piece, const Chunks& chunks) const;

  /// Whose state a row reads: its chunk's, or that of all tokens of its b.
  HeadMap states_for(const Chunks& chunks, int64_t group) const;

  /// S and z as one state [B, Hk, padded D, columns].
  at::Tensor packed(const at::Tensor& S, const at::Tensor& z) const;
  /// A sum of such states, float64.
  at::Tensor zero_state() const;
  /// states [z of the keys, D, columns] of a piece's chunks, added to those of its b.
  void add_states(const Piece& piece, const at::Tensor& states, const at::Tensor& total) const;
  /// The state before (after) every chunk of a causal piece. total: before (after) the piece, which
  /// it is given.
  at::Tensor scanned(const Piece& piece, const at::Tensor& states, const at::Tensor& total,
                     bool reverse) const;

 private:
  Chunks chunks_of(const at::Tensor& piece) const;
  /// [b, chunk, Hk, D, columns].
  at::Tensor by_chunk(const Piece& piece, const at::Tensor& states) const;

  const Backend& backend_;
  const Problem& p_;
  int64_t group_, columns_;
  RowMap q_map_, k_map_;
};

/// Keys of a causal piece: features, columns, and the state of the keys before every chunk; before:
/// of those before the piece, which it is given.
struct CausalKeys {
  CausalKeys(const RowProblem& problem, const Piece& piece, const at::Tensor& before);
  RowFeatures row;
  at::Tensor columns, earlier;
};

}  // namespace luna::kernels::cuda
