// The CUDA pipelines as functions on tensors; what blocks sum apart is added up in float64.
#pragma once

#include "runtime/kernels/cuda/device_map.h"
#include "runtime/kernels/cuda/tensor_cores.h"

namespace luna::kernels::cuda {

/// One side's tokens: x [B, H, N, size] as the pipelines read it, and what every token carries.
struct Tokens {
  Tokens(const Backend& backend, const DeviceMap& map, const at::Tensor& x,
         const at::Tensor& weight, Storage storage = {});

  const Backend& backend;
  const DeviceMap& map;
  const Storage storage;
  at::Tensor x, weight;   ///< weight [B, H, N], 1 where none was given
  at::Tensor stabiliser;  ///< performer: [B, H, N], finite
  bool empty() const { return x.size(0) * x.size(1) * x.size(2) == 0; }
  at::TensorOptions floats() const { return x.options().dtype(at::kFloat); }
};

/// What the products take beside the features: columns [scale v, last].
struct Columns {
  at::Tensor v, scale, last;  ///< [B, H, N, size] of the tokens' storage, [B, H, N], [B, H, N]
};

/// x in that dtype with zeros up to `size` columns, base and rows 16-byte aligned.
at::Tensor padded_rows(const at::Tensor& x, int64_t size, at::ScalarType dtype = at::kFloat);

/// A packed state of S [B, H, D, dv] and z [B, H, D]: [B, H, padded D, state_columns], z at column
/// `size`, 0 everywhere else.
at::Tensor pack_state(const DeviceMap& map, const at::Tensor& S, const at::Tensor& z);

/// performer: the largest t of every token, [B, H, N]; -FLT_MAX where the weight is 0.
at::Tensor token_maximum(const Tokens& tokens);

/// sum_n phi(x_n) (x) [scale_n v_n, last_n] over every `group` heads: a packed state.
at::Tensor kv_state(const Tokens& tokens, const Columns& columns, int64_t group);

/// {w phi S / max(den + add, clamp), den}: [B, H, N, size], [B, H, N]. state: packed. type: of the
/// first, float32 or on tensor cores the tokens' storage too.
std::pair<at::Tensor, at::Tensor> apply_state(const Tokens& tokens, const at::Tensor& state,
                                              float add, float clamp, at::ScalarType type);

/// inverse = w / max(den + add, clamp) and -s = -(o . grad) inverse, 0 where the clamp holds, both
/// [B, H, N]; o float32; grad in the tokens' storage, padded.
std::pair<at::Tensor, at::Tensor> quotient_grad(const Tokens& tokens, const at::Tensor& o,
                                                const at::Tensor& grad, const at::Tensor& den,
                                                float add, float clamp);

/// dphi = packed state . columns + coefficient phi ([padded D], psi maps) back to dx [B, H, N,
/// size] and, where wanted, the map's parameters. type: of dx where tensor cores make it from psi,
/// float32 or the tokens' storage; other dx are of that storage.
at::Tensor gradient(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                    const at::Tensor& coefficient, bool params, at::ScalarType type,
                    MapGrads& grads);

/// Sums of phi^2 over tokens and heads, [D] float64.
at::Tensor square_sum(const Tokens& tokens);

}  // namespace luna::kernels::cuda
