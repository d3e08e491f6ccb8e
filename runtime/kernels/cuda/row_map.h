// A side's feature map by rows in memory: phi of a piece's tokens, and the gradient back through
// it. Any map, any d.
#pragma once

#include <optional>

#include "runtime/kernels/cuda/products.h"
#include "runtime/kernels/cuda/psi_inputs.h"
#include "runtime/kernels/cuda/rows.h"

namespace luna::kernels::cuda {

/// What the pipelines of a map read and gave of a piece's tokens.
struct RowFeatures {
  Chunks chunks{};
  at::Tensor x;    ///< [z, chunk, width]
  at::Tensor t;    ///< [z, chunk, P]: projections, where the map has some
  at::Tensor phi;  ///< [z, chunk, features()]
  at::Tensor square, stabiliser, token_values;  ///< of every row, where the map reads them
};

/// Sums over the tokens of all pieces, float64.
struct MapSums {
  at::Tensor proj, bias, coordinates;
  std::vector<at::Tensor> psi;  ///< of every part
};

class RowMap {
 public:
  /// Of a side's tokens [B, H, N, d]; heads of a group share the parameters of a key head.
  RowMap(const Backend& backend, const MapArgs& args, const at::Tensor& x, int64_t group);

  /// D after padding; features that only pad are 0.
  int64_t features() const { return layout_.padded; }
  /// [.., features(), ..] -> [.., D, ..] along dim, and back with zeros.
  at::Tensor true_features(const at::Tensor& padded, int64_t dim) const;
  at::Tensor padded_features(const at::Tensor& t, int64_t dim) const;

  /// phi of the piece x [B, H, T, d], of 0 where a weight is (row_moves.h). stabiliser: the keys',
  /// [B, H], where the map has one.
  RowFeatures compute(const Chunks& chunks, const at::Tensor& x, const at::Tensor& weight,
                      int64_t first_token, const at::Tensor& stabiliser) const;
  /// The largest t of every token, [B, H, T].
  at::Tensor maximum(const Chunks& chunks, const at::Tensor& x) const;
  /// dx [z, chunk, width] from dphi [z, chunk, features()]; sums (or nullptr) gets the parameters'.
  at::Tensor gradient(const RowFeatures& row, const at::Tensor& dphi, MapSums* sums) const;
  MapSums zero_sums() const;
  /// Sums -> gradients.
  MapGrads unpack(const MapSums& sums) const;

 private:
  /// D = m L features among the padded ones: projection (or run) i starts at i * stride.
  struct Layout {
    int64_t m, L, stride, padded;
  };
  void pack_projection();
  bool projects() const { return args_.proj.defined(); }
  HeadMap parameters() const { return {heads_, heads_, group_}; }
  at::Tensor project(const at::Tensor& x) const;
  at::Tensor stabilisers(const RowFeatures& row, const at::Tensor& given) const;
  void add_inputs(KernelCall& call, const RowFeatures& row) const;
  void add_projection_sums(const RowFeatures& row, const at::Tensor& dt, MapSums& sums) const;
  void add_psi_sums(const RowFeatures& row, const at::Tensor& dphi, MapSums& sums) const;
  at::Tensor psi_sums(const MapArgs& part, const at::Tensor& t, const at::Tensor& phi,
                      const at::Tensor& dphi) const;

  const Backend& backend_;
  MapArgs args_;
  int64_t d_, width_, heads_, group_;
  Layout layout_{};
  ChannelGroups groups_{1, 1};
  at::Tensor rows_, bias_;    ///< [1 or Hk, P, width], [1 or Hk, P]
  at::Tensor bias_of_heads_;  ///< [1 or heads, P]
  at::Tensor real_, coordinates_;
  std::optional<PsiInputs> psi_inputs_;
};

}  // namespace luna::kernels::cuda
