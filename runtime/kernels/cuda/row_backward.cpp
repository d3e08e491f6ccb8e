#include "runtime/kernels/cuda/row_moves.h"
#include "runtime/kernels/cuda/row_passes.h"
#include "runtime/kernels/cuda/row_problem.h"
#include "runtime/kernels/token_weights.h"

namespace luna::kernels::cuda {
namespace {

/// A backward call: what is known, what is wanted, what is filled.
class Gradients {
 public:
  Gradients(const RowProblem& s, const Forward& saved, const at::Tensor& grad, const Wanted& wanted)
      : s_(s), saved_(saved), grad_(grad), wanted_(wanted) {
    const Problem& p = s.p();
    if (wanted.q) result_.q = at::empty_like(p.q, p.q.options().dtype(wanted.type(p.q)));
    if (wanted.k) result_.k = at::empty_like(p.k, p.k.options().dtype(wanted.type(p.k)));
    if (wanted.v) result_.v = at::empty_like(p.v);
    if (wanted.params) {
      q_sums_ = s.q_map().zero_sums();
      k_sums_ = s.k_map().zero_sums();
    }
    if (wanted.k_weight) power_ = at::empty(p.k.sizes().slice(0, 3), saved.S.options());
  }

  Backward run() {
    s_.p().causal ? causal() : of_all();
    if (wanted_.params) {
      result_.q_map = s_.q_map().unpack(q_sums_);
      result_.k_map = s_.k_map().unpack(k_sums_);
    }
    if (wanted_.q_weight) result_.q_weight = query_weight_gradient(s_.p(), saved_, grad_);
    if (wanted_.k_weight) result_.k_weight = key_weight_gradient(s_.p(), power_);
    return result_;
  }

 private:
  bool wants_query_map() const { return wanted_.q || wanted_.params; }
  bool wants_key_map() const { return wanted_.k || wanted_.params; }
  bool wants_values() const { return wanted_.v || wanted_.k_weight; }
  bool wants_keys() const { return wants_key_map() || wants_values(); }

  /// [g / den, -s] of the piece's queries: what their features and the key sums are given.
  at::Tensor query_columns(const Piece& piece, const Chunks& chunks) const {
    return gather_queries(s_.backend(), chunks, piece.of(grad_), piece.of(saved_.o),
                          piece.of(saved_.den), weight_of(s_.p().q_weight, piece),
                          s_.p().denominator, s_.columns());
  }

  /// The queries' own part of the key heads' R and -u: [z of the keys, D, columns].
  at::Tensor query_states(const RowFeatures& q, const at::Tensor& columns) const {
    const at::Tensor states = outer_product(s_.backend(), q.phi, columns);
    if (s_.group() == 1) return states;
    return states.unflatten(0, {states.size(0) / s_.group(), s_.group()}).sum(1);
  }

  void write_queries(const Piece& piece, const RowFeatures& q, const at::Tensor& dphi) {
    const at::Tensor dx = s_.q_map().gradient(q, dphi, wanted_.params ? &q_sums_ : nullptr);
    if (wanted_.q) write(piece, q.chunks, dx, s_.p().q_weight, result_.q);
  }
  void write_keys(const Piece& piece, const RowFeatures& k, const at::Tensor& dphi) {
    const at::Tensor dx = s_.k_map().gradient(k, dphi, wanted_.params ? &k_sums_ : nullptr);
    if (wanted_.k) write(piece, k.chunks, dx, s_.p().k_weight, result_.k);
  }
  void write(const Piece& piece, const Chunks& chunks, const at::Tensor& dx,
             const at::Tensor& weight, const at::Tensor& to) const {
    scatter_rows(s_.backend(), chunks, dx, weight_of(weight, piece), piece.of(to));
  }
  /// products [z, chunk, columns]: phi (R, -u).
  void write_values(const Piece& piece, const Chunks& chunks, const at::Tensor& products) {
    const at::Tensor w = weight_of(s_.p().k_weight, piece);
    if (wanted_.v) scatter_weighted(s_.backend(), chunks, products, w, piece.of(result_.v));
    if (!wanted_.k_weight) return;
    at::Tensor sums = kept(chunks.tokens(products), w);
    if (w.defined()) sums = sums * w.unsqueeze(-1);
    const at::Tensor v = kept(piece.of(s_.p().v).to(at::kFloat), w);
    piece.of(power_).copy_((v * sums.narrow(3, 0, s_.dv())).sum(-1) + sums.select(3, s_.dv()));
  }

  void of_all() {
    const at::Tensor state = s_.packed(saved_.S, saved_.z), total = s_.zero_state();
    for (const Piece& piece : s_.pieces_of(s_.p().q)) {
      if (!wants_query_map() && !wants_keys()) break;
      const RowFeatures q = s_.queries(piece);
      const at::Tensor columns = query_columns(piece, q.chunks);
      if (wants_query_map()) {
        const HeadMap map = s_.states_for(q.chunks, s_.group());
        write_queries(piece, q, dots(s_.backend(), columns, by_head(piece, state), map));
      }
      if (wants_keys()) s_.add_states(piece, query_states(q, columns), total);
    }
    if (!wants_keys()) return;
    const at::Tensor dstate = total.to(at::kFloat);
    for (const Piece& piece : s_.pieces_of(s_.p().k)) {
      const RowFeatures k = s_.keys(piece);
      const HeadMap map = s_.states_for(k.chunks, 1);
      const at::Tensor R = by_head(piece, dstate);
      if (wants_key_map()) {
        write_keys(piece, k, dots(s_.backend(), s_.key_columns(piece, k.chunks), R, map));
      }
      if (wants_values()) write_values(piece, k.chunks, combine(s_.backend(), k.phi, R, map));
    }
  }

  void causal() {
    const std::vector<Piece> pieces = s_.pieces_of(s_.p().k);
    if (wants_query_map()) {
      const at::Tensor before = s_.zero_state();
      for (const Piece& piece : pieces) causal_queries(piece, before);
    }
    if (!wants_keys()) return;
    const at::Tensor after = s_.zero_state();
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) causal_keys(*piece, after);
  }

  /// dphi(q) = state before the chunk . columns + the chunk's earlier keys, by columns' products.
  void causal_queries(const Piece& piece, const at::Tensor& before) {
    const Backend& backend = s_.backend();
    const CausalKeys k(s_, piece, before);
    const RowFeatures q = s_.queries(piece);
    const at::Tensor columns = query_columns(piece, q.chunks);
    const HeadMap map = s_.states_for(q.chunks, s_.group());
    const InChunk chunk{k.columns, k.row.phi, Seen::earlier};
    write_queries(piece, q, dots(backend, columns, k.earlier, map, &chunk));
  }

  /// The same of keys, from the queries after them: those of a key head's group side by side.
  void causal_keys(const Piece& piece, const at::Tensor& after) {
    const Backend& backend = s_.backend();
    const RowFeatures q = s_.queries(piece), k = s_.keys(piece);
    const at::Tensor columns = query_columns(piece, q.chunks);
    const at::Tensor later = s_.scanned(piece, query_states(q, columns), after, /*reverse=*/true);
    const HeadMap map = s_.states_for(k.chunks, 1);
    const auto of_group = [&](const at::Tensor& rows) {
      return rows.view({k.chunks.z(), -1, rows.size(2)});
    };
    if (wants_key_map()) {
      const InChunk chunk{of_group(columns), of_group(q.phi), Seen::later};
      write_keys(piece, k, dots(backend, s_.key_columns(piece, k.chunks), later, map, &chunk));
    }
    if (wants_values()) {
      const InChunk chunk{of_group(q.phi), of_group(columns), Seen::later};
      write_values(piece, k.chunks, combine(backend, k.phi, later, map, &chunk));
    }
  }

  const RowProblem& s_;
  const Forward& saved_;
  const at::Tensor& grad_;
  const Wanted& wanted_;
  Backward result_;
  MapSums q_sums_, k_sums_;
  at::Tensor power_;  ///< phi . dphi of every key
};

}  // namespace

Backward row_backward(const Backend& backend, const Problem& p, const Forward& saved,
                      const at::Tensor& grad, const Wanted& wanted) {
  const RowProblem problem(backend, p);
  return Gradients(problem, saved, grad, wanted).run();
}

}  // namespace luna::kernels::cuda
