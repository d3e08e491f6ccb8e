// Decoding: heads of every sequence in the order that features are computed in, as if they were
// tokens.
#pragma once

#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// The maps of one head take its `tokens` sequences, a map of all heads takes every head of every
/// sequence. Each key head has `group` queries.
struct HeadOrder {
  explicit HeadOrder(const Problem& p)
      : batch(p.k.size(0)),
        key_heads(p.k.size(1)),
        group(p.q.size(1) / p.k.size(1)),
        own_maps(p.k_map.per_head()) {}

  int64_t batch, key_heads, group;
  bool own_maps;

  int64_t maps() const { return own_maps ? key_heads : 1; }
  int64_t tokens() const { return own_maps ? batch : batch * key_heads; }
  int64_t b(int64_t token) const { return own_maps ? token : token / key_heads; }
  int64_t key_head(int64_t map, int64_t token) const { return own_maps ? map : token % key_heads; }

  /// x [B, heads, 1, width] as [1, maps() each, tokens(), width]; each: heads of a key head.
  at::Tensor arrange(const at::Tensor& x) const;
  /// The same x as it was, [B, Hk, each, width].
  at::Tensor by_sequence(const at::Tensor& arranged) const;
  /// A map whose token_values are one row a sequence, read in this order.
  MapArgs arrange(MapArgs map) const;
};

}  // namespace luna::kernels
