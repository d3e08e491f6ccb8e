// The segment of a piecewise-linear function that a scalar lies in: #{knots <= t}, found in a
// 16-ary search tree. The children passed at each node are one vector compare and a population
// count.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "Halide.h"
#include "generators/common/tiles.h"

namespace luna {

struct KnotSearch {
  /// Knots passed at each level's node, and the reduction that counts them.
  std::vector<std::pair<Halide::Func, Halide::RDom>> levels;
  /// #{knots <= t}; counts the padding too where t = +inf.
  Halide::Expr passed;

  /// tree(16, node): nodes level by level, padded with +inf. site: where t is one scalar.
  KnotSearch(const Halide::Func& tree, int level_count, const std::vector<Halide::Expr>& site,
             const Halide::Expr& t) {
    Halide::Expr child = 0;
    int first_node = 0, nodes = 1;
    for (int level = 0; level < level_count; level++) {
      const Halide::RDom r(0, tiles::kSearchWidth, "r" + std::to_string(level));
      Halide::Func count("passed" + std::to_string(level));
      const Halide::Expr node = first_node + Halide::unsafe_promise_clamped(child, 0, nodes - 1);
      count(site) = 0;
      count(site) += Halide::select(tree(r, node) <= t, 1, 0);
      levels.push_back({count, r});
      child = tiles::kSearchWidth * child + count(site);
      first_node += nodes;
      nodes = tiles::kSearchWidth * nodes + 1;
    }
    passed = child;
  }

  void schedule(const Halide::LoopLevel& at) {
    for (auto& [count, r] : levels) {
      count.compute_at(at).store_in(Halide::MemoryType::Register);
      count.update().atomic().vectorize(r);
    }
  }
};

}  // namespace luna
