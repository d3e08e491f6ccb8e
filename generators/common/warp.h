// Building blocks of the CUDA schedules. A block is one warp: accumulators are sharded over its
// lanes and stay in registers, what lanes exchange goes through shared memory.
#pragma once

#include "Halide.h"

namespace luna::warp {

constexpr int kLanes = 32;
constexpr int kTokens = kLanes;  ///< tokens of a tile: one a lane where lanes work alone
constexpr int kVector = 4;       ///< floats in the widest load

/// Innermost extents in shared memory are padded so that the rows of neighbouring lanes start in
/// different banks and vectors stay aligned.
constexpr int pitch(int extent) { return extent + kVector; }

/// f(a, n, ...) with `width` values a of `tokens` tokens n in shared memory, loaded by the whole
/// warp row by row.
inline void stage_rows(Halide::Func f, const Halide::Var& a, const Halide::Var& n,
                       const Halide::LoopLevel& at, int width, int tokens) {
  const Halide::Var ao("ao"), ai("ai"), no("no"), ni("ni"), lane("lane");
  const int rows = kLanes * kVector / width;
  f.compute_at(at).store_in(Halide::MemoryType::GPUShared);
  f.bound_extent(a, width).bound_extent(n, tokens).align_storage(a, pitch(width));
  f.split(a, ao, ai, kVector)
      .split(n, no, ni, rows)
      .reorder(ai, no, ao, ni)
      .vectorize(ai)
      .unroll(no, 4)
      .fuse(ao, ni, lane)
      .gpu_lanes(lane);
}

}  // namespace luna::warp
