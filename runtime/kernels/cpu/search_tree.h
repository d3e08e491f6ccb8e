// The 16-ary search tree of sorted knots, as generators/common/knot_search.h reads it.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/locate.h"

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

/// What locate() descends among ascending knots.
class SearchLevels {
 public:
  SearchLevels() = default;
  explicit SearchLevels(const std::vector<float>& knots);
  KnotLevels get() const { return {memory_.const_data_ptr<float>(), count_, tail_}; }
  /// Whether there are too many knots for locate().
  bool empty() const { return count_ == 0; }

 private:
  at::Tensor memory_;
  int count_ = 0;
  bool tail_ = false;
};

}  // namespace luna::kernels
