// Sizes that the pipelines and their launchers (runtime/kernels) must agree on. Plain constants.
#pragma once

#include <cstdint>

namespace luna::tiles {

constexpr int kTokenBlock = 8;  ///< a tile's tokens are padded to a multiple of this
constexpr int kGradTokens = 4;  ///< tokens at a time in gradients of a map
/// Floats of the widest vector; hid and sums of parameters are padded to it.
constexpr int kLanes = 16;
constexpr int kChannels = 8;      ///< psi maps: L is taken in tiles of this many channels
constexpr int kSearchWidth = 16;  ///< children of a node of the knot search tree

/// Rows of tiles and states are padded to a multiple of this: one register block of a product.
constexpr int kRowColumns = 32;

/// Sums along D are taken in blocks of this many features; divides feature_block.
constexpr int kSumBlock = 32;

/// Features are padded to a multiple of this: one register block of the state products.
constexpr int feature_block(bool elementwise) { return elementwise ? 32 : 64; }

/// Projections are padded to a multiple of this when each yields L features.
constexpr int projection_block(int L) {
  return feature_block(false) / L > kLanes ? feature_block(false) / L : kLanes;
}

/// The same of tiles on the CPU, where a register block is kRowColumns.
constexpr int tile_projections(int L) { return L == 1 ? kRowColumns : projection_block(L); }

/// Columns of a state are summed in blocks of this many.
constexpr int kStateColumns = 8;

/// Levels of the knot search tree in segment form.
constexpr int kSegmentLevels = 2;

/// Tables of segment form are padded to a multiple of this many projections, and coefficients to a
/// multiple of this many segments.
constexpr int kTableProjections = 4, kTableSegments = 8;

/// Most tokens that a call in segment form takes, and the distance between projections in a buffer
/// of its sites: not a power of two, so that one token's sites do not share a cache set.
constexpr int kStripTokens = 1024;
constexpr int kStripPitch = kStripTokens + kLanes;

/// Batched (CUDA) pipelines: columns of a state, dv values, the normaliser and padding.
constexpr int state_columns(int size) { return size + 16; }

/// Columns after the dv of a batched apply_state's output, each the denominator: one vector.
constexpr int kDenColumns = 4;

/// Batched pipelines: hidden units of a dense psi are padded to a multiple of this.
constexpr int kUnits = 32;

/// Batched pipelines sum tokens in slots of a multiple of this many.
constexpr int kSlotAlign = 64;

/// CUDA: tokens of a chunk of causal attention.
constexpr int kCausalChunk = 64;

/// CUDA, decoding: rows of a state that a thread holds, and queries of a key head in one pass.
constexpr int kDecodeRows = 16;
constexpr int kDecodeQueries = 4;

/// CPU: vectors of sums that a schedule holds in registers beside their operands. AVX-512 has 32
/// registers, AVX2 16.
constexpr int register_sums(int lanes) { return lanes == kLanes ? 16 : 8; }

constexpr int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

}  // namespace luna::tiles
