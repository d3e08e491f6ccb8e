// The pipelines of generators/attention/rows/product.cpp and scan.cpp as functions on tensors: all
// dense, z outermost.
#pragma once

#include "runtime/kernels/cuda/kernel_call.h"

namespace luna::kernels::cuda {

/// Whose rows z = (b, chunk, head) reads: a matrix a (b, chunk, head of a group of `group`), with
/// outer = heads; a matrix a (b, head), with outer = chunks * heads; or a single one.
struct HeadMap {
  int64_t outer, heads, group;
};

/// What a token sees of its chunk: earlier ones and itself, or later ones and itself.
enum class Seen { earlier = 1, later = -1 };

/// What the tokens of a chunk see of each other, added to a product of c(n, k): sum over the s that
/// n sees of (sum_k c(n, k) against(s, k)) values(s, i). s: tokens of a chunk, or of several beside
/// another; [z', s, k] and [z', s, i] of the product's map.
struct InChunk {
  at::Tensor against, values;
  Seen seen;
};

// Products go to tensor cores where those are built (generators/attention/tensor/rows_product.cu),
// else to Halide's pipelines, which define them.

/// sum_n a(n, D) columns(n, e): [z, n, D], [z, n, e] -> [z, D, e].
at::Tensor outer_product(const Backend& backend, const at::Tensor& a, const at::Tensor& columns);

/// sum_k c(n, k) rows(k, i): [z, n, k], [z', k, i] -> [z, n, i]; k a multiple of 16.
at::Tensor combine(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                   const HeadMap& map, const InChunk* chunk = nullptr);

/// sum_k c(n, k) rows(i, k): [z, n, k], [z', i, k] -> [z, n, i]; k a multiple of 16.
at::Tensor dots(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                const HeadMap& map, const InChunk* chunk = nullptr);

/// states [b, chunk, i] -> total [b, i], float64, plus the states of the chunks before each
/// (reverse: after each); total gets them all. tokens: of all heads, which are in i.
at::Tensor scan(const Backend& backend, const at::Tensor& states, const at::Tensor& total,
                bool reverse, int64_t tokens);

}  // namespace luna::kernels::cuda
