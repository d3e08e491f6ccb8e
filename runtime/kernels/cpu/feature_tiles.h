// Features of a side's tokens, tile by tile, and the gradient back through them.
#pragma once

#include <optional>

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/tile.h"

namespace luna::kernels {

class FeatureTiles {
 public:
  /// x [B, heads, N, d], weight [B, heads, N] float32 or undefined (= 1); tiles of at most
  /// `tokens`.
  FeatureTiles(const PackedMap& map, const at::Tensor& x, const at::Tensor& weight, int64_t tokens);

  /// What follows is of this task; costs nothing where it was so before. key_head: whose parameters
  /// the map takes.
  void start(const Task& task, int64_t key_head);
  /// The same, gradients included; sums: where the parameters' are added, PackedMap::sum_size(), or
  /// nullptr where nobody wants them.
  void start_gradient(const Task& task, int64_t key_head, float* sums);

  /// Features of the tokens n, ... ; false: they were there already.
  bool compute(int64_t n, int64_t tokens);
  /// phi(D, n), weights included, of the last compute().
  Matrix phi() const { return (bare_ ? shifted_ : phi_).matrix(padded_); }
  const TokenRows& rows() const { return rows_; }
  const float* weight() const { return weights_.data(); }
  bool weight_is_one() const { return weights_.are_one(); }
  /// weight(), or nullptr where every weight is 1.
  const float* selection() const { return weight_is_one() ? nullptr : weight(); }
  int64_t padded() const { return padded_; }
  /// performer, where queries' M is asked for: the largest t of every token.
  const float* largest() const { return largest_.data(); }

  /// The last compute()'s tokens of dx (undefined: of none) from the gradient at phi, and the
  /// parameters' sums.
  void gradient(const Tile& dphi, const TokenRows& dx);

 private:
  void start(const Task& task, int64_t key_head, bool bare);
  /// shifted_ from phi_.
  void add_epsilon();
  /// Appends what both pipelines begin with.
  void begin(TileCall& call);
  Sites sites() const;
  void point_values(TileCall& call, int at) const;

  const PackedMap& map_;
  TokenRows rows_;
  TokenWeights weights_;
  Task task_{-1, -1, -1, 0, 0};
  float* sums_ = nullptr;                        ///< of grad_
  int64_t first_ = 0, tokens_ = 0, padded_ = 0;  ///< of the last compute(); 0: none yet
  Matrix x_rows_{};    ///< of the last compute(): in x_, or where the tokens lie
  bool bare_ = false;  ///< phi_ is without PackedMap::epsilon(), as the gradient takes it
  Tile x_, phi_, shifted_, dx_;
  Tile t_, segment_, dt_;  ///< sites of maps that are located first
  Tile largest_;
  at::Tensor unwanted_;  ///< zeros: where sums over no token are added
  std::optional<TileCall> features_, grad_;
  float stabiliser(const Task& task) const;
  size_t phi_at_ = 0, largest_at_ = 0, dx_at_ = 0;  ///< arguments that are written
  int values_at_ = -1, grad_values_at_ = -1;        ///< MapArgs::token_values, where there are some
};

}  // namespace luna::kernels
