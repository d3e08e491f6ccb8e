// Small facts about shapes and memory that both devices need.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// D, the number of features of a map on heads of size d.
inline int64_t feature_count(const MapArgs& map, int64_t d) {
  return map.proj.defined() ? map.proj.size(0) * map.L : d;
}

/// -inf as the lowest finite float: generated code may assume finite constants.
inline float finite_floor(float x) { return std::max(x, std::numeric_limits<float>::lowest()); }

/// Uninitialised [B, H, N, width] whose dimensions lie in memory in the order of q's.
inline at::Tensor empty_in_order_of(const at::Tensor& q, int64_t width) {
  std::vector<int64_t> order{0, 1, 2};
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return q.stride(a) > q.stride(b); });
  order.push_back(3);
  std::vector<int64_t> sizes, inverse(4);
  for (int64_t k = 0; k < 4; k++) {
    sizes.push_back(order[k] == 3 ? width : q.size(order[k]));
    inverse[order[k]] = k;
  }
  return at::empty(sizes, q.options()).permute(inverse);
}

}  // namespace luna::kernels
