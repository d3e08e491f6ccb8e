// The quotient phi(q) S / max(phi(q) z + add, clamp) of a tile's tokens, and its columns for the
// gradient.
#pragma once

#include <array>
#include <vector>

#include "runtime/kernels/cpu/tile.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// max(den + add, clamp); NaN stays.
inline float denominator_rule(float den, const Denominator& rule) {
  const float raw = den + rule.add;
  return raw < rule.clamp ? rule.clamp : raw;
}

/// Columns [g / r, -s] of queries, s = o . g / r (0 where the clamp holds).
class QuotientColumns {
 public:
  QuotientColumns(const at::Tensor& grad, const at::Tensor& o, const at::Tensor& den,
                  const Denominator& rule, int64_t tokens);
  /// Of the tokens n, ... of (b, h); `weight` (zeros where a token only pads) selects. The same
  /// once more costs nothing.
  const Tile& compute(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight,
                      bool weight_is_one);

 private:
  TokenRows grad_, o_;
  Rows den_;
  Denominator rule_;
  std::array<int64_t, 4> computed_{};  ///< b, h, n, tokens
  Tile columns_, outputs_;
  std::vector<float> factor_, s_;
};

}  // namespace luna::kernels
