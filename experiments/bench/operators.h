// The attention operators that `luna bench` times side by side: this library's fused ones and what
// a user of torch would write instead.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <vector>

namespace luna::bench {

/// Sizes of one measurement; Hk = H, Nq = N, dv = d.
struct Size {
  std::string name;
  int64_t B, H, N, d, m, L, hid;
};

/// q, k, v [B, H, N, d] and the parameters of the operator's feature map.
struct Inputs {
  at::Tensor q, k, v;
  std::vector<at::Tensor> params;
  bool learned = false;  ///< params get gradients (LUNA); else they are a fixed draw

  /// q, k, v and the learned parameters.
  std::vector<at::Tensor> leaves() const;
  /// Copies in another dtype, leaves of their own, with or without gradients.
  Inputs copy(at::ScalarType dtype, bool gradients) const;
};

struct Operator {
  std::string name;   ///< key in bench.json
  std::string label;  ///< in the report
  bool learned;       ///< its feature map has learned parameters
  /// Draws the parameters of the feature map; empty list where it has none.
  std::function<std::vector<at::Tensor>(const Size&, at::Generator)> draw_params;
  std::function<at::Tensor(const Inputs&)> apply;
  /// The same function by its formula, in any dtype.
  std::function<at::Tensor(const Inputs&)> reference;
};

/// In the order of the report's table. "listing1" and "sdpa" are what ratios refer to.
const std::vector<Operator>& operators();

/// q, k, v ~ N(0, 1) and the operator's parameters, float32, from a seed of its own.
Inputs draw_inputs(const Operator& op, const Size& size, uint64_t seed);

}  // namespace luna::bench
