// Small facts about shapes and memory that both devices need.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// The problem with q, k, v and o in float32.
inline Problem in_float32(Problem p) {
  for (at::Tensor* x : {&p.q, &p.k, &p.v}) *x = x->to(at::kFloat);
  p.o_type = at::kFloat;
  return p;
}

/// D, the number of features of a map on heads of size d.
inline int64_t feature_count(const MapArgs& map, int64_t d) {
  if (map.proj.defined()) return map.proj.size(-2) * map.L;
  return map.blocks ? map.blocks * map.block_features : d;
}

/// Tokens whose products a pass by features sums in float32; such partial sums are added up in
/// float64.
inline constexpr int64_t kSlotTokens = 1024;

/// What stands for -inf in generated code, which may assume finite constants.
inline constexpr float kLowest = std::numeric_limits<float>::lowest();
inline float finite_floor(float x) { return std::max(x, kLowest); }

/// Uninitialised [B, H, N, width] whose dimensions lie in memory in the order of q's (width
/// innermost).
at::Tensor empty_in_order_of(const at::Tensor& q, const c10::SymInt& width,
                             at::ScalarType type = at::kFloat);

}  // namespace luna::kernels
