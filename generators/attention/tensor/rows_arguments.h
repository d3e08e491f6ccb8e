// What the tensor-core kernels over rows in memory (rows_product.cu, rows_state.cu, rows_scan.cu)
// are launched with, and how they cut their work: shared with the launcher
// (runtime/kernels/cuda/rows_pipelines.cpp). Plain data.
#pragma once

#include "generators/attention/tensor/arguments.h"

namespace luna::tensor {

constexpr int kRowsWarps = 4;
constexpr int kRowsTall = 16 * kRowsWarps;     ///< n of a block, 16 a warp
constexpr int kRowsPairs = 5;                  ///< of tiles of 8 columns, at most
constexpr int kRowsColumns = 16 * kRowsPairs;  ///< i of a block, at most
constexpr int kRowsDepth = 32;                 ///< k staged at a time
constexpr int kRowsChunk = 64;                 ///< tokens that may see each other
static_assert(kRowsTall == kRowsChunk, "a block has a chunk's scores");

/// Matrices [z, rows, columns]; columns are innermost, their number a multiple of 4.
struct Matrices {
  float* data;
  int32_t columns, rows, count, pitch;
  int64_t apart;  ///< from a matrix to the next
};

/// The products of generators/attention/rows/product.cpp. direction: 1: what a token of the chunk
/// sees is itself and those before it, -1: after it; 0: there is no chunk.
struct RowsArguments {
  Matrices c, rows, against, values, out;
  int32_t outer, heads, group, direction;  ///< whose rows, against and values z reads
  int32_t wide, across, down;              ///< i of a block; blocks along i and n
};

/// The running sums of generators/attention/rows/scan.cpp: states and before [b, chunks, elements],
/// total [b, elements].
constexpr int kScanThreads = 128;
struct ScanArguments {
  const float* states;
  float* before;
  double* total;
  int32_t elements, chunks, reverse, across;  ///< across: blocks of a b
};

}  // namespace luna::tensor
