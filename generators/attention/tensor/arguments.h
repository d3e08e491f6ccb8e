// What the tensor-core kernels (kv_state.cu, apply_state.cu, quotient_grad.cu, grad.cu and
// elementwise_*.cu) are launched with, and how they cut their work: shared with the launcher
// (runtime/kernels/cuda/tensor_pipelines.cpp). Plain data.
#pragma once

#include <cstdint>

namespace luna::tensor {

constexpr int kWarp = 32;
constexpr int kChannels = 8;                         ///< L, padded
constexpr int kProjections = 16;                     ///< of a group: one tile of mma
constexpr int kFeatures = kProjections * kChannels;  ///< of a group
constexpr int kStateWarps = 4;                       ///< each sums the features of 4 projections
constexpr int kStateTokens = 16 * kStateWarps;       ///< staged at a time
constexpr int kGradWarps = 4;
constexpr int kGradTokens = 256;  ///< of a block of the gradient
constexpr int kSumTiles = 9;      ///< of 8 rows of the table, in sums over rows
constexpr int kMostSumRows = 8 * kSumTiles;
constexpr int kTokenWarps = 8;   ///< of a block that works token by token
constexpr int kRowTokens = 128;  ///< of a block that works row by row

/// How many 16-bit numbers hold a float32 factor of a product (W, features, the state), how many of
/// bfloat16 a number in storage, and how many kv_state stages one of v in (state.cuh).
struct Parts {
  int factor, value, summed;
};
constexpr Parts kBrainStorage{2, 1, 1}, kHalfStorage{2, 2, 1}, kFloatStorage{3, 3, 3};
/// Tokens of a warp that works token by token, and of its block; fewer where parts take the room.
constexpr int warp_tokens(int factor_parts) { return factor_parts > 2 ? 16 : 32; }
constexpr int block_tokens(int factor_parts) { return kTokenWarps * warp_tokens(factor_parts); }

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
  int32_t copies;  ///< of every row of the table in shared memory: 1, 2 or 4
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

/// den = w phi z, float32, and out = w phi S / max(den + add, clamp), float32 (wide) or as x; state
/// [B, Hk, D, width], z at column `size`, zeros after it.
struct ApplyArguments {
  Problem side;
  const float* state;
  Tokens out, den;
  int32_t key_heads, group, width;  ///< group: query heads of a key head
  float add, clamp;
  bool wide;
};

/// o is float32, grad in the storage of x: inverse = w / max(den + add, clamp) and minus_s = -(o .
/// grad) inverse, 0 where the clamp holds.
struct QuotientArguments {
  Tokens weight, o, grad, den, inverse, minus_s;
  int32_t tokens;
  float add, clamp;
};

/// dx [B, H, N, size] in the storage of x: the gradient at x of dphi_n = state [scale_n v_n,
/// last_n]. carry [B, H, N, size] holds it in float32 between groups of projections, where there
/// are several, and in the end where dx is nowhere (nullptr). partial [B, H, blocks, ..]: of a
/// block's tokens dt (x) [x, 1], [P, size + 1], for the gradient dt at the projections (nullptr:
/// not asked for); then, where asked for, the sums of dpsi and of dpsi t by the row of the table
/// that they lie in, [rows, 2, kChannels].
struct GradArguments {
  Problem side;
  Tokens v, scale, last;
  const float* state;
  Tokens dx;
  float *carry, *partial;
  int32_t key_heads, group, width, blocks;
};

constexpr int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

/// Shared memory in bytes. Rows of matrices are as long as keeps eight of them, 16 bytes of each,
/// in different banks.
constexpr int kSiteBytes = kProjections * 8 + 16;      ///< of a token: t and row of each projection
constexpr int kPairSites = 2 * kProjections * 4 * 16;  ///< of 16 tokens, by projection and pair
constexpr int kLineBytes = 2 * kChannels * 4;          ///< of a copy of a row of the table
constexpr int row_bytes(int size) { return 2 * size + 16; }  ///< [columns, last, 0 ...]
constexpr int map_bytes(int size, Parts parts) {
  return kProjections * (2 * parts.factor * size + 8);
}
/// The search's last steps, from this one down, are always made.
constexpr int kLastStep = 64;
constexpr int staged_knots(int halvings) {
  return 1 << halvings > 2 * kLastStep ? 1 << halvings : 2 * kLastStep;
}
constexpr int64_t table_bytes(int halvings, int64_t rows, int copies) {
  return 4 * staged_knots(halvings) + copies * kLineBytes * rows;
}
/// What a block may ask for on every device of capability 8.0 or more.
constexpr int64_t kSharedBytes = 99 * 1024;
/// Whether a table fits beside `others` bytes; offsets in it are 16 bits.
constexpr bool table_fits(int64_t others, int halvings, int64_t rows, int copies) {
  return others + table_bytes(halvings, rows, copies) <= kSharedBytes &&
         copies * kLineBytes * rows < 1 << 16;
}
/// As many copies as fit, of at most `most`.
constexpr int table_copies(int64_t others, int halvings, int64_t rows, int most) {
  return most == 1 || table_fits(others, halvings, rows, most)
             ? most
             : table_copies(others, halvings, rows, most / 2);
}
constexpr int kHeadBytes = 5 * 16;  ///< where the tokens of a head lie
constexpr int state_bytes(int size, Parts parts) {
  return map_bytes(size, parts) + kStateWarps * kPairSites +
         kStateTokens * (parts.summed * row_bytes(size) + 4) + kHeadBytes;
}
constexpr int back_bytes(int size, Parts parts) { return 2 * parts.factor * kProjections * size; }
constexpr int kGradWarpBytes = kPairSites + 4 * kProjections * 16;  ///< sites and dt of 16 tokens
constexpr int grad_bytes(int size, Parts parts) {
  return map_bytes(size, parts) + back_bytes(size, parts) +
         kFeatures * (2 * parts.factor * size + 4) + kGradWarps * kGradWarpBytes;
}
/// Of maps of one coordinate (elementwise_*.cu).
constexpr int elementwise_warps(int size) { return size / 16; }  ///< that sum a state
constexpr int elementwise_state_bytes(int size, Parts parts) {
  return size * ((1 + parts.summed) * row_bytes(size) + 4) + kHeadBytes;
}
constexpr int elementwise_apply_bytes(int size, Parts parts) {
  return parts.factor * size * row_bytes(size);
}
constexpr int elementwise_grad_bytes(int size, Parts parts) {
  return size * (2 * parts.factor * size + 4);
}
constexpr int factors_bytes(int size, Parts parts) {
  return parts.factor * kFeatures * row_bytes(size);
}
constexpr int apply_bytes(int size, Parts parts) {
  return map_bytes(size, parts) + block_tokens(parts.factor) * kSiteBytes +
         factors_bytes(size, parts);
}

}  // namespace luna::tensor
