// Tokens as rows of matrices in memory, piece by piece, so that what is kept of a piece (its
// features, scores, states) stays within bounds for any B, H and N.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace luna::kernels::cuda {

/// Entries b .. of the batch and tokens n .. of a tensor [B, heads, N, ..].
struct Piece {
  int64_t b, batches, n, tokens;

  at::Tensor of(const at::Tensor& x) const { return x.narrow(0, b, batches).narrow(2, n, tokens); }
  /// Of one entry a batch entry.
  at::Tensor of_batch(const at::Tensor& x) const { return x.narrow(0, b, batches); }
};

/// All tokens in order, batch entry after batch entry, at most `most` of one b at a time. budget:
/// how many tokens may be in memory, of which a pass then has about three times the features. The
/// heads of one b and one chunk are the least.
std::vector<Piece> pieces(int64_t B, int64_t N, int64_t chunk, int64_t most, int64_t budget);

/// How a piece's tokens [B, H, T] lie as rows: [z, token of the chunk], z = (b, chunk, head).
/// Chunks are padded with zeros.
struct Chunks {
  int64_t B, H, T, chunk;

  int64_t count() const { return (T + chunk - 1) / chunk; }
  int64_t z() const { return B * count() * H; }

  /// [B, H, T, w] -> [z, chunk, width], float32 and dense.
  at::Tensor rows(const at::Tensor& x, int64_t width) const;
  /// [B, H, T] -> [z, chunk].
  at::Tensor scalars(const at::Tensor& x) const;
  /// [z, chunk, w] -> [B, H, T, w].
  at::Tensor tokens(const at::Tensor& rows) const;
};

/// Chunks of a piece whose order does not matter: as few as sums in float32 allow.
Chunks in_slots(const at::Tensor& x);
/// Chunks of causal attention.
Chunks in_causal_chunks(const at::Tensor& x);

/// x of the tokens that are not selected out, 0 of the others. weight: [B, H, T] or undefined.
at::Tensor kept(const at::Tensor& x, const at::Tensor& weight);

}  // namespace luna::kernels::cuda
