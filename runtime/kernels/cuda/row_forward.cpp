#include "runtime/kernels/cuda/row_moves.h"
#include "runtime/kernels/cuda/row_passes.h"
#include "runtime/kernels/cuda/row_problem.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

/// o and den of a piece's queries from phi(q) [S, z].
void write_output(const RowProblem& s, const Piece& piece, const Chunks& chunks,
                  const at::Tensor& sums, Forward& result) {
  scatter_quotients(s.backend(), chunks, sums, weight_of(s.p().q_weight, piece), s.p().denominator,
                    piece.of(result.den), piece.of(result.o));
}

void write_state(const RowProblem& s, const at::Tensor& total, Forward& result) {
  const at::Tensor state = s.k_map().true_features(total, 2).to(at::kFloat);
  result.S = state.narrow(3, 0, s.dv()).contiguous();
  result.z = state.select(3, s.dv()).contiguous();
}

at::Tensor key_state(const RowProblem& s) {
  const at::Tensor total = s.zero_state();
  for (const Piece& piece : s.pieces_of(s.p().k)) {
    const RowFeatures k = s.keys(piece);
    const at::Tensor columns = s.key_columns(piece, k.chunks);
    s.add_states(piece, outer_product(s.backend(), k.phi, columns), total);
  }
  return total;
}

void forward_of_all(const RowProblem& s, Forward& result) {
  const at::Tensor total = key_state(s), state = total.to(at::kFloat);
  write_state(s, total, result);
  for (const Piece& piece : s.pieces_of(s.p().q)) {
    const RowFeatures q = s.queries(piece);
    const HeadMap map = s.states_for(q.chunks, s.group());
    write_output(s, piece, q.chunks, combine(s.backend(), q.phi, by_head(piece, state), map),
                 result);
  }
}

void causal_forward(const RowProblem& s, Forward& result) {
  const Backend& backend = s.backend();
  const at::Tensor total = s.zero_state();
  for (const Piece& piece : s.pieces_of(s.p().k)) {
    const CausalKeys k(s, piece, total);
    const RowFeatures q = s.queries(piece);
    const HeadMap map = s.states_for(q.chunks, s.group());
    const InChunk chunk{k.row.phi, k.columns, Seen::earlier};
    const at::Tensor sums = combine(backend, q.phi, k.earlier, map, &chunk);
    write_output(s, piece, q.chunks, sums, result);
  }
  write_state(s, total, result);
}

}  // namespace

Forward row_forward(const Backend& backend, const Problem& p) {
  const RowProblem problem(backend, p);
  Forward result;
  result.o = empty_in_order_of(p.q, p.v.size(3), p.o_type);
  result.den = at::empty(p.q.sizes().slice(0, 3), p.q.options().dtype(at::kFloat));
  p.causal ? causal_forward(problem, result) : forward_of_all(problem, result);
  return result;
}

}  // namespace luna::kernels::cuda
