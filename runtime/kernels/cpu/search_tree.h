// The 16-ary search tree of sorted knots, as generators/common/knot_search.h reads it.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "generators/common/tiles.h"

namespace luna::kernels {

/// Most knots that a search tree of that many levels holds: a node has kSearchWidth knots and one
/// child more.
constexpr int64_t tree_knots(int levels) {
  int64_t nodes = 1;  // of the last level
  for (int level = 1; level < levels; level++) nodes = nodes * tiles::kSearchWidth + 1;
  return nodes * tiles::kSearchWidth;
}

/// [nodes, 16], level by level. knots: [K <= tree_knots(levels)], ascending.
at::Tensor search_tree(const at::Tensor& knots, int levels);

/// Levels of the binary search among that many knots; 0: more than locate() takes.
int locate_levels(int64_t knots);

/// The complete binary tree that locate() descends, level after level, level k with its 2^k
/// knots padded to whole vectors. Absent knots are NaN, which no t passes. knots: fewer than
/// 2^levels, ascending.
at::Tensor search_levels(const std::vector<float>& knots, int levels);

}  // namespace luna::kernels
