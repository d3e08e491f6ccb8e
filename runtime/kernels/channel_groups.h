// Psi maps in pieces that the pipelines know: L channels are cut into groups of `tile`,
// zero-padded, and every projection is evaluated once per group. What the pipelines call projection
// i * count + g is projection i with the channels of group g.
#pragma once

#include <ATen/ATen.h>

namespace luna::kernels {

struct ChannelGroups {
  int64_t L, tile, count;

  ChannelGroups(int64_t L, int64_t tile) : L(L), tile(tile), count((L + tile - 1) / tile) {}

  /// [m, ...] -> [m count, ...], each row once per group.
  at::Tensor repeat(const at::Tensor& rows) const;
  /// Gradient of repeat: [m count, ...] -> [m, ...].
  at::Tensor sum_repeated(const at::Tensor& rows) const;

  /// [rows, 2, L] float64 -> [count, rows, 2, tile] float32, absent channels zero.
  at::Tensor split_table(const at::Tensor& table) const;
  /// [count rows, tile] (or more leading rows' worth) -> [rows, L].
  at::Tensor merge_segments(const at::Tensor& sums) const;
};

}  // namespace luna::kernels
