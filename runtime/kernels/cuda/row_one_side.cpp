// Passes over one side alone (kernels.h).
#include <limits>

#include "runtime/kernels/cuda/row_moves.h"
#include "runtime/kernels/cuda/row_passes.h"
#include "runtime/kernels/cuda/row_problem.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

/// Features of one side alone.
template <typename Body>
void for_each_piece(const Backend& backend, const RowMap& map, const at::Tensor& x,
                    const Body& body) {
  const int64_t bytes = x.size(1) * map.features() * static_cast<int64_t>(sizeof(float));
  const int64_t N = x.size(2);
  for (const Piece& piece : pieces(x.size(0), N, kSlotTokens, N, backend.piece_bytes / bytes)) {
    const at::Tensor own = piece.of(x);
    body(piece, own, in_slots(own));
  }
}

}  // namespace

at::Tensor row_power_sum(const Backend& backend, const at::Tensor& x, const MapArgs& args) {
  const RowMap map(backend, args, x, 1);
  at::Tensor sum = at::zeros({args.L}, x.options().dtype(at::kDouble));
  for_each_piece(
      backend, map, x, [&](const Piece& piece, const at::Tensor& own, const Chunks& chunks) {
        const at::Tensor phi = chunks.tokens(map.compute(chunks, own, {}, piece.n, {}).phi);
        const at::Tensor squares = phi.square().sum(at::IntArrayRef{0, 1, 2}, false, at::kDouble);
        sum += map.true_features(squares, 0).view({-1, args.L}).sum(0);
      });
  return sum;
}

std::pair<at::Tensor, MapGrads> row_power_grad(const Backend& backend, const at::Tensor& x,
                                               const MapArgs& args, const at::Tensor& coefficient) {
  const RowMap map(backend, args, x, 1);
  const at::Tensor channels = coefficient.to(at::kFloat).repeat({args.proj.size(0)});
  const at::Tensor dx = at::empty_like(x, x.options().dtype(at::kFloat));
  MapSums sums = map.zero_sums();
  for_each_piece(backend, map, x,
                 [&](const Piece& piece, const at::Tensor& own, const Chunks& chunks) {
                   const RowFeatures row = map.compute(chunks, own, {}, piece.n, {});
                   const at::Tensor real =
                       chunks.rows(at::ones({}, x.options()).expand_as(own.narrow(3, 0, 1)), 1);
                   const at::Tensor dphi = row.phi * map.padded_features(channels, 0) * real;
                   scatter_rows(backend, chunks, map.gradient(row, dphi, &sums), {}, piece.of(dx));
                 });
  return {dx, map.unpack(sums)};
}

at::Tensor row_key_maximum(const Backend& backend, const at::Tensor& x, const MapArgs& args,
                           const at::Tensor& weight) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const RowMap map(backend, args, x, 1);
  at::Tensor largest = at::full({x.size(0), x.size(1)}, kNone, x.options().dtype(at::kFloat));
  for_each_piece(backend, map, x,
                 [&](const Piece& piece, const at::Tensor& own, const Chunks& chunks) {
                   const at::Tensor w = weight_of(weight, piece);
                   at::Tensor t = map.maximum(chunks, kept(own, w));
                   if (w.defined()) t = t.masked_fill(w == 0, kNone);
                   const at::Tensor part = piece.of_batch(largest);
                   part.copy_(at::maximum(part, t.amax(2)));
                 });
  return largest;
}

}  // namespace luna::kernels::cuda
