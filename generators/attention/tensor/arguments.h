// What the tensor-core kernels (state.cu, apply.cu, grad.cu) are launched with, and how they cut
// their work: shared with the launcher (runtime/kernels/cuda/tensor_pipelines.cpp). Plain data.
#pragma once

#include <cstdint>

namespace luna::tensor {

constexpr int kWarp = 32;
constexpr int kChannels = 8;                         ///< L, padded
constexpr int kProjections = 16;                     ///< of a group: one tile of mma
constexpr int kFeatures = kProjections * kChannels;  ///< of a group
constexpr int kStateWarps = 4;                       ///< each sums the features of 4 projections
constexpr int kStateTokens = 16 * kStateWarps;       ///< staged at a time
constexpr int kTokenWarps = 8;                       ///< of a block that works token by token

/// Of storage in so many bytes: the 16-bit numbers that hold a float32 factor (W, features, the
/// state), 16 bits of it or all 24.
constexpr int factor_parts(int storage_bytes) { return storage_bytes > 2 ? 3 : 2; }
/// Tokens of a warp that works token by token, and of its block; fewer where parts take the room.
constexpr int warp_tokens(int parts) { return parts > 2 ? 16 : 32; }
constexpr int block_tokens(int parts) { return kTokenWarps * warp_tokens(parts); }

/// [B, H, N] or [B, H, N, size] with strides in elements; the last one is 1.
struct Tokens {
  const void* data;
  int32_t batch, head, token;
};

/// LUNA's map with psi as a table (generators/feature_map/psi_pwl.cpp), padded to groups.
struct Map {
  const float *projections, *bias;  ///< [P, size], [P]
  const int32_t* first_row;         ///< [P]: of a projection's first segment in the table
  const float* knots;               ///< [2^halvings], ascending, padded with +inf
  const float* table;               ///< [rows, 2, kChannels]: slopes, then intercepts
  int32_t groups, halvings, rows, segments;
  float floor;
};

struct Problem {
  Tokens x, weight;  ///< weight 0: the token is not there
  Map map;
  int32_t tokens, heads;
};

/// partial [B, H, slots, D, width]: of every slot sum_n scale_n phi(x_n) [v_n, last_n / scale_n],
/// the last column at `size`.
struct StateArguments {
  Problem side;
  Tokens v, scale, last;
  float* partial;
  int32_t slot_tokens, slots, width;
};

/// den = w phi z and out = w phi S / max(den + add, clamp); state [B, Hk, D, width], z at column
/// `size`, zeros after it.
struct ApplyArguments {
  Problem side;
  const float* state;
  Tokens out, den;
  int32_t key_heads, group, width;  ///< group: query heads of a key head
  float add, clamp;
};

/// dt [B, H, N, P] contiguous: the gradient at the projections of dphi_n = state [scale_n v_n,
/// last_n].
/// sums [B, H, blocks, rows, 2, kChannels], where they are asked for: of a block's tokens dpsi and
/// dpsi t by the row of the table that they lie in.
struct GradArguments {
  Problem side;
  Tokens v, scale, last;
  const float* state;
  float *dt, *sums;
  int32_t key_heads, group, width;
};

constexpr int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

/// Shared memory in bytes. Rows of matrices are as long as keeps eight of them, 16 bytes of each,
/// in different banks.
constexpr int kSiteBytes = kProjections * 8 + 16;   ///< of a token: t and row of each projection
constexpr int kLineBytes = 2 * kChannels * 4 + 16;  ///< of a row of the table
constexpr int row_bytes(int size) { return 2 * size + 16; }  ///< [columns, last, 0 ...]
constexpr int map_bytes(int size, int parts) { return kProjections * (2 * parts * size + 8); }
/// The search's last steps, from this one down, are always made.
constexpr int kLastStep = 64;
constexpr int staged_knots(int halvings) {
  return 1 << halvings > 2 * kLastStep ? 1 << halvings : 2 * kLastStep;
}
constexpr int64_t table_bytes(int halvings, int64_t rows) {
  return 4 * staged_knots(halvings) + kLineBytes * rows;
}
constexpr int factors_bytes(int size, int parts) { return parts * kFeatures * row_bytes(size); }
/// value_parts: numbers of bfloat16 that hold a v.
constexpr int state_bytes(int size, int parts, int value_parts) {
  return map_bytes(size, parts) + kStateTokens * (kSiteBytes + value_parts * row_bytes(size) + 4);
}
constexpr int kSumBytes = 2 * kChannels * 4;  ///< of a row, in every warp
constexpr int grad_bytes(int size, int parts) {
  return map_bytes(size, parts) + 16 * kTokenWarps * kSiteBytes + factors_bytes(size, parts);
}
constexpr int64_t sums_bytes(int64_t rows) { return kTokenWarps * kSumBytes * rows; }
constexpr int apply_bytes(int size, int parts) {
  return map_bytes(size, parts) + block_tokens(parts) * kSiteBytes + factors_bytes(size, parts);
}

}  // namespace luna::tensor
