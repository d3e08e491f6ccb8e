#include "runtime/kernels/cuda/row_problem.h"

#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/row_moves.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

/// Most tokens of a causal piece: states of chunks are added up in float32 within one
/// where Halide scans them.
constexpr int64_t kMostCausalTokens = 8192;

/// Columns of a state, dv values and the normaliser: whole steps of a product over them.
int64_t state_columns(int64_t dv) { return tiles::round_up(dv + 1, 16); }

}  // namespace

at::Tensor weight_of(const at::Tensor& weight, const Piece& piece) {
  return weight.defined() ? piece.of(weight) : weight;
}

at::Tensor by_head(const Piece& piece, const at::Tensor& state) {
  return piece.of_batch(state).flatten(0, 1);
}

RowProblem::RowProblem(const Backend& backend, const Problem& p)
    : backend_(backend),
      p_(p),
      group_(p.q.size(1) / p.k.size(1)),
      columns_(state_columns(p.v.size(3))),
      q_map_(backend, p.q_map, p.q, group_),
      k_map_(backend, p.k_map, p.k, 1) {}

std::vector<Piece> RowProblem::pieces_of(const at::Tensor& x) const {
  const int64_t B = x.size(0), N = x.size(2), H = p_.q.size(1), kFloat = sizeof(float);
  const int64_t features = q_map_.features() * kFloat;
  if (!p_.causal) return pieces(B, N, kSlotTokens, N, backend_.piece_bytes / (H * features));
  const int64_t states = 2 * features * columns_ / tiles::kCausalChunk;
  const int64_t budget = backend_.piece_bytes / (H * (features + states));
  return pieces(B, N, tiles::kCausalChunk, kMostCausalTokens, budget);
}

Chunks RowProblem::chunks_of(const at::Tensor& piece) const {
  return p_.causal ? in_causal_chunks(piece) : in_slots(piece);
}

RowFeatures RowProblem::queries(const Piece& piece) const {
  const at::Tensor q = piece.of(p_.q);
  return q_map_.compute(chunks_of(q), q, weight_of(p_.q_weight, piece), piece.n, {});
}

RowFeatures RowProblem::keys(const Piece& piece) const {
  const at::Tensor k = piece.of(p_.k), w = weight_of(p_.k_weight, piece);
  const at::Tensor& M = p_.k_map.stabiliser;
  return k_map_.compute(chunks_of(k), k, w, piece.n, M.defined() ? piece.of_batch(M) : M);
}

at::Tensor RowProblem::key_columns(const Piece& piece, const Chunks& chunks) const {
  return gather_keys(backend_, chunks, piece.of(p_.v), weight_of(p_.k_weight, piece), columns_);
}

HeadMap RowProblem::states_for(const Chunks& chunks, int64_t group) const {
  return {(p_.causal ? 1 : chunks.count()) * chunks.H, chunks.H, group};
}

at::Tensor RowProblem::packed(const at::Tensor& S, const at::Tensor& z) const {
  const at::Tensor wide = at::cat({S, z.unsqueeze(-1)}, 3);
  return k_map_.padded_features(pad(wide, 3, columns_), 2);
}

at::Tensor RowProblem::zero_state() const {
  return at::zeros({p_.k.size(0), p_.k.size(1), k_map_.features(), columns_},
                   p_.k.options().dtype(at::kDouble));
}

void RowProblem::add_states(const Piece& piece, const at::Tensor& states,
                            const at::Tensor& total) const {
  piece.of_batch(total).add_(by_chunk(piece, states).sum(1, false, at::kDouble));
}

at::Tensor RowProblem::scanned(const Piece& piece, const at::Tensor& states,
                               const at::Tensor& total, bool reverse) const {
  const at::Tensor own = piece.of_batch(total).flatten(1);
  const int64_t tokens = states.size(0) * tiles::kCausalChunk;
  return scan(backend_, by_chunk(piece, states).flatten(2), own, reverse, tokens)
      .view(states.sizes());
}

at::Tensor RowProblem::by_chunk(const Piece& piece, const at::Tensor& states) const {
  return states.view({piece.batches, -1, p_.k.size(1), states.size(1), states.size(2)});
}

CausalKeys::CausalKeys(const RowProblem& problem, const Piece& piece, const at::Tensor& before)
    : row(problem.keys(piece)),
      columns(problem.key_columns(piece, row.chunks)),
      earlier(problem.scanned(piece, outer_product(problem.backend(), row.phi, columns), before,
                              /*reverse=*/false)) {}

}  // namespace luna::kernels::cuda
