#include "runtime/kernels/cuda/rows.h"

#include <algorithm>

#include "generators/common/tiles.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {

std::vector<Piece> pieces(int64_t B, int64_t N, int64_t chunk, int64_t most, int64_t budget) {
  const int64_t tokens = std::min({N, most, std::max(chunk, budget / chunk * chunk)});
  std::vector<Piece> out;
  if (tokens == 0) return out;
  const int64_t batches = tokens < N ? 1 : std::min(B, std::max<int64_t>(1, budget / N));
  for (int64_t b = 0; b < B; b += batches) {
    for (int64_t n = 0; n < N; n += tokens) {
      out.push_back({b, std::min(batches, B - b), n, std::min(tokens, N - n)});
    }
  }
  return out;
}

at::Tensor Chunks::rows(const at::Tensor& x, int64_t width) const {
  const int64_t beyond = count() * chunk - T, more = width - x.size(3);
  at::Tensor padded = x.to(at::kFloat);
  if (beyond > 0 || more > 0) padded = at::constant_pad_nd(padded, {0, more, 0, beyond});
  return padded.unflatten(2, {count(), chunk})
      .transpose(1, 2)
      .contiguous()
      .view({z(), chunk, width});
}

at::Tensor Chunks::scalars(const at::Tensor& x) const {
  return rows(x.unsqueeze(-1), 1).squeeze(-1);
}

at::Tensor Chunks::tokens(const at::Tensor& rows) const {
  return rows.view({B, count(), H, chunk, rows.size(2)})
      .transpose(1, 2)
      .flatten(2, 3)
      .narrow(2, 0, T);
}

Chunks in_slots(const at::Tensor& x) {
  const int64_t T = x.size(2), slots = (T + kSlotTokens - 1) / kSlotTokens;
  return {x.size(0), x.size(1), T, (T + slots - 1) / slots};
}

Chunks in_causal_chunks(const at::Tensor& x) {
  return {x.size(0), x.size(1), x.size(2), tiles::kCausalChunk};
}

at::Tensor kept(const at::Tensor& x, const at::Tensor& weight) {
  if (!weight.defined()) return x;
  const at::Tensor dropped = weight == 0;
  return x.masked_fill(x.dim() > 3 ? dropped.unsqueeze(-1) : dropped, 0.0);
}

}  // namespace luna::kernels::cuda
