// What the kernels that move tokens to rows in memory and back (rows_gather.cu, rows_scatter.cu)
// are launched with: shared with the launcher (runtime/kernels/cuda/rows_pipelines.cpp). Plain
// data.
#pragma once

#include "generators/attention/tensor/arguments.h"

namespace luna::tensor {

constexpr int kMoveThreads = 256;
constexpr int kMoveLanes = 8;                         ///< of a row, four columns each at a time
constexpr int kMoveRows = kMoveThreads / kMoveLanes;  ///< at once
constexpr int kMoveBlockRows = 64;                    ///< of a block

enum class Element : int32_t { f32, bf16, f16 };

/// Tokens [B, heads, T, columns] of any strides, the last one 1; four: whether every four columns
/// are aligned to their own size.
struct TokenRows {
  Tokens at;
  int32_t columns;
  Element type;
  bool four;
};

/// Rows [z, chunk, width], float32 and dense, z = (b, chunk, head); tokens beyond the last are
/// zeros (gather) or left out (scatter).
struct ChunkRows {
  float* data;
  int32_t width, chunk, z, heads, chunks, tokens;
};

/// What a row holds of its token: x; [w x, w] of a key; [x, -o . x] w / max(den + add, clamp) of a
/// query's gradient x, 0 for -o . x where the clamp holds. Zeros where the weight w is 0.
enum class Gather : int32_t { plain, key, query };
struct GatherArguments {
  TokenRows x, o;
  Tokens weight, den;  ///< weight.data is null where there are none
  ChunkRows rows;
  Gather what;
  float add, clamp;
};

/// What a token gets of its row r: r; w r (both 0 where w is 0); or den = w r_columns and r w /
/// max(den + add, clamp).
enum class Scatter : int32_t { plain, weighted, quotient };
struct ScatterArguments {
  ChunkRows rows;
  Tokens weight, den;
  TokenRows out;
  Scatter what;
  float add, clamp;
};

}  // namespace luna::tensor
