// Building blocks of the CUDA schedules. A block is one warp: accumulators are sharded over its
// lanes and stay in registers, what lanes exchange goes through shared memory.
#pragma once

#include <algorithm>
#include <vector>

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
      .unroll(no, std::min(4, tokens / rows))
      .fuse(ao, ni, lane)
      .gpu_lanes(lane);
}

/// Rows form (generators/attention/rows): threads of a block, neighbours along the columns of a
/// token, so that a warp's accesses are of whole sectors.
constexpr int kRowThreads = 64;  ///< where a schedule does not say

/// What of f(a, n) a block computes.
struct RowTile {
  int vector;      ///< neighbouring columns of a thread, stored at once
  int across;      ///< threads of one token
  int tokens = 1;  ///< that a thread takes, one after the other
  int parts = 1;   ///< times that a token's threads go along it
  int threads = kRowThreads;
  constexpr int columns() const { return vector * across * parts; }
  constexpr int rows() const { return threads / across; }  ///< tokens at once
};

/// The loops of by_rows(): the block, its threads, and what a thread goes through.
inline Halide::Var row_block() { return Halide::Var("row_block"); }
inline Halide::Var row_thread() { return Halide::Var("row_thread"); }
inline Halide::Var row_place() { return Halide::Var("row_place"); }  ///< of threads, by token
inline Halide::Var own_token() { return Halide::Var("own_token"); }
inline Halide::Var own_column() { return Halide::Var("own_column"); }

/// f(a, n), tile after tile; a's extent is a multiple of the tile's columns.
inline Halide::Stage by_rows(Halide::Func f, const RowTile& tile) {
  const Halide::Var a = f.args()[0], n = f.args()[1], group("group"), part("part"), v("v");
  const Halide::Var nb("nb"), of_tile("of_tile");
  f.split(a, group, part, tile.columns(), Halide::TailStrategy::RoundUp)
      .split(part, own_column(), part, tile.across * tile.vector)
      .split(part, row_thread(), v, tile.vector)
      .split(n, nb, of_tile, tile.rows() * tile.tokens, Halide::TailStrategy::GuardWithIf)
      .split(of_tile, own_token(), row_place(), tile.rows())
      .fuse(group, nb, row_block())
      .reorder(v, own_column(), own_token(), row_thread(), row_place(), row_block())
      .vectorize(v)
      .gpu_threads(row_thread(), row_place())
      .gpu_blocks(row_block());
  return f;
}

/// An update of f(a, n) whose domain of a token is runs along a: a run's neighbours by neighbouring
/// threads, run after run. Of the tile: across, tokens and threads.
inline void update_by_rows(Halide::Stage update, const Halide::Var& n, const Halide::RDom& over,
                           const RowTile& tile) {
  const auto guard = Halide::TailStrategy::GuardWithIf;
  const Halide::Var nb("nb"), of_tile("of_tile");
  const Halide::RVar along("along"), thread("thread");
  update.allow_race_conditions();  // there are none: every value is written once
  update.split(over.x, along, thread, tile.across, guard)
      .split(n, nb, of_tile, tile.rows() * tile.tokens, guard)
      .split(of_tile, own_token(), row_place(), tile.rows());
  std::vector<Halide::VarOrRVar> order{thread, row_place(), along};
  for (int axis = 1; axis < over.dimensions(); axis++) order.emplace_back(over[axis]);
  order.insert(order.end(), {own_token(), nb});
  update.reorder(order).gpu_threads(thread, row_place()).gpu_blocks(nb);
}

/// f of one token, or of one token and column, in the thread of out's by_rows() that reads it.
inline Halide::Func of_token(Halide::Func f, const Halide::Func& out) {
  return f.compute_at(out, own_token()).store_in(Halide::MemoryType::Register);
}
inline Halide::Func of_column(Halide::Func f, const Halide::Func& out) {
  return f.compute_at(out, own_column()).store_in(Halide::MemoryType::Register);
}

}  // namespace luna::warp
