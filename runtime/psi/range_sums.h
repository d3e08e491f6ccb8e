// Rows that are added over ranges of segments, and sums of rows over ranges: both by additions
// alone, O(width log n) a range. Prefix sums would subtract, and leave the rounding error of
// whatever is huge behind where it is not.
#pragma once

#include <cstdint>
#include <vector>

namespace luna::psi {

/// A binary tree over n segments; node i covers those of nodes 2 i and 2 i + 1, the leaves are
/// nodes n ... 2 n - 1.
class RangeTree {
 public:
  RangeTree(int64_t n, int64_t width) : n_(n), width_(width), nodes_(2 * n * width) {}

  /// Leaves lie one behind the other.
  double* leaf(int64_t segment) { return node(n_ + segment); }

  /// visit(row) for the nodes that make up [first, last).
  template <typename Visit>
  void over(int64_t first, int64_t last, const Visit& visit) {
    for (first += n_, last += n_; first < last; first /= 2, last /= 2) {
      if (first % 2) visit(node(first++));
      if (last % 2) visit(node(--last));
    }
  }

  /// Afterwards every leaf has its sum over the nodes above it.
  void push_to_leaves() {
    for (int64_t i = 1; i < n_; ++i) {
      add(node(i), node(2 * i));
      add(node(i), node(2 * i + 1));
    }
  }

  /// Afterwards every node has the sum of its leaves.
  void sum_leaves() {
    for (int64_t i = n_ - 1; i > 0; --i) {
      add(node(2 * i), node(i));
      add(node(2 * i + 1), node(i));
    }
  }

 private:
  double* node(int64_t i) { return nodes_.data() + i * width_; }
  void add(const double* from, double* to) const {
    for (int64_t c = 0; c < width_; ++c) to[c] += from[c];
  }

  int64_t n_, width_;
  std::vector<double> nodes_;
};

}  // namespace luna::psi
