// Tokens to rows in memory and back (rows.h): a kernel each where those in CUDA C++ are built
// (generators/attention/tensor/rows_gather.cu, rows_scatter.cu), else ATen, which defines them.
// Weights are [B, H, T] or undefined.
#pragma once

#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/cuda/rows.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

/// x [B, H, T, w] of the tokens that are kept, 0 of others: [z, chunk, width].
at::Tensor gather_rows(const Backend& backend, const Chunks& chunks, const at::Tensor& x,
                       const at::Tensor& weight, int64_t width);

/// [w v, w] likewise.
at::Tensor gather_keys(const Backend& backend, const Chunks& chunks, const at::Tensor& v,
                       const at::Tensor& weight, int64_t width);

/// [grad, -o . grad] w / max(den + add, clamp) likewise, 0 for -o . grad where the clamp holds.
at::Tensor gather_queries(const Backend& backend, const Chunks& chunks, const at::Tensor& grad,
                          const at::Tensor& o, const at::Tensor& den, const at::Tensor& weight,
                          const Denominator& rule, int64_t width);

/// to = the first columns of rows [z, chunk, width], 0 of tokens that are not kept.
void scatter_rows(const Backend& backend, const Chunks& chunks, const at::Tensor& rows,
                  const at::Tensor& weight, const at::Tensor& to);

/// The same times w.
void scatter_weighted(const Backend& backend, const Chunks& chunks, const at::Tensor& rows,
                      const at::Tensor& weight, const at::Tensor& to);

/// den = w times the column after those of o; o = rows w / max(den + add, clamp).
void scatter_quotients(const Backend& backend, const Chunks& chunks, const at::Tensor& rows,
                       const at::Tensor& weight, const Denominator& rule, const at::Tensor& den,
                       const at::Tensor& o);

}  // namespace luna::kernels::cuda
