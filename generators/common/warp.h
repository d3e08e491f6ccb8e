// Building blocks of the CUDA schedules. A block is one warp: accumulators are sharded over its
// lanes and stay in registers, what lanes exchange goes through shared memory.
#pragma once

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
      .unroll(no, 4)
      .fuse(ao, ni, lane)
      .gpu_lanes(lane);
}

/// Rows form (generators/attention/rows): threads of a block, each with a token of its own.
constexpr int kRowThreads = 64;
constexpr int kRowColumns = 16;  ///< columns that a thread computes

/// The loops of by_rows().
inline Halide::Var own_token() { return Halide::Var("own_token"); }
inline Halide::Var own_column() { return Halide::Var("own_column"); }

/// f(a, n), `columns` columns a of one token n a thread; a's extent is a multiple of `columns`.
inline Halide::Stage by_rows(Halide::Func f, int columns) {
  const Halide::Var a = f.args()[0], n = f.args()[1], group("group"), nb("nb"), block("block");
  f.split(a, group, own_column(), columns, Halide::TailStrategy::RoundUp)
      .split(n, nb, own_token(), kRowThreads, Halide::TailStrategy::GuardWithIf)
      .fuse(group, nb, block)
      .reorder(own_column(), own_token(), block)
      .gpu_threads(own_token())
      .gpu_blocks(block);
  return f;
}

/// An update of f(a, n) over the domain of one token, all of it by the token's thread.
inline void update_by_rows(Halide::Stage update, const Halide::Var& n, const Halide::RDom& over) {
  const Halide::Var nb("nb");
  std::vector<Halide::VarOrRVar> order;
  for (int axis = 0; axis < over.dimensions(); axis++) order.emplace_back(over[axis]);
  order.insert(order.end(), {own_token(), nb});
  update.split(n, nb, own_token(), kRowThreads, Halide::TailStrategy::GuardWithIf)
      .reorder(order)
      .gpu_threads(own_token())
      .gpu_blocks(nb);
}

/// f of one token, or of one token and column, in the thread of out's by_rows() that reads it.
inline Halide::Func of_token(Halide::Func f, const Halide::Func& out) {
  return f.compute_at(out, own_token()).store_in(Halide::MemoryType::Register);
}
inline Halide::Func of_column(Halide::Func f, const Halide::Func& out) {
  return f.compute_at(out, own_column()).store_in(Halide::MemoryType::Register);
}

}  // namespace luna::warp
