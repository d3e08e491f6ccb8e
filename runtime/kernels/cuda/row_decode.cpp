// One decoding step: features of the heads of all sequences as if they were tokens, then one pass
// over every state (generators/attention/rows/decode.cpp).
#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/row_map.h"
#include "runtime/kernels/cuda/row_passes.h"
#include "runtime/kernels/head_order.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

constexpr int64_t kMostBlocks = 65535;  ///< sequences and heads are the launch grid's z and y

/// phi of x [B, heads, 1, d] times its weight, [B, Hk, each, D]; each: heads of a key head.
at::Tensor features(const Backend& backend, const HeadOrder& order, const MapArgs& map,
                    const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor tokens = order.arrange(kept(x, weight));
  const RowMap rows(backend, order.arrange(map), tokens, tokens.size(1) / order.maps());
  const Chunks chunks = in_slots(tokens);
  const at::Tensor padded = chunks.tokens(rows.compute(chunks, tokens, {}, 0, {}).phi);
  const at::Tensor phi = order.by_sequence(rows.true_features(padded, 3));
  return weight.defined() ? phi * weight.view(phi.sizes().slice(0, 3)).unsqueeze(-1) : phi;
}

/// One token of every head: phi_k [B, Hk, D], v [B, Hk, dv], phi_q [B, Hk, queries, D].
struct Token {
  at::Tensor phi_k, v, phi_q;
};

/// Rows of the states [B, Hk, rows, dv], `each` a thread, take the token's in. part
/// [B, Hk, queries, rows / each, dv]: what they add to phi_q S.
void add_rows(const Backend& backend, const std::string& pipeline, int64_t each, int64_t queries,
              const Token& rows, const at::Tensor& state, const at::Tensor& part) {
  const at::Tensor blocks = state.unflatten(2, {state.size(2) / each, each});
  KernelCall call(backend, pipeline, rows.phi_k);
  call.add(rows.phi_k);
  call.add(rows.phi_q);
  call.add(rows.v);
  call.add(blocks);
  call.add(blocks);
  for (int64_t g = 0; g < queries; g++) {  // the last query's where there are fewer
    const at::Tensor own = part.select(2, std::min(g, part.size(2) - 1));
    call.add(own.unsqueeze(3).expand({-1, -1, -1, each, -1}));
  }
  call.run();
}

/// The same of all rows: whole blocks of them, then those beyond.
void add_token(const Backend& backend, const Token& token, const at::Tensor& state,
               const at::Tensor& part) {
  const int64_t blocks = state.size(2) / tiles::kDecodeRows, whole = blocks * tiles::kDecodeRows;
  const auto add = [&](const std::string& pipeline, int64_t each, int64_t queries, int64_t first,
                       int64_t rows, const at::Tensor& own) {
    if (rows == 0) return;
    const auto of = [&](const at::Tensor& phi) { return phi.narrow(-1, first, rows); };
    add_rows(backend, pipeline, each, queries, {of(token.phi_k), token.v, of(token.phi_q)},
             state.narrow(2, first, rows), own);
  };
  const bool grouped = token.phi_q.size(2) > 1;
  add(grouped ? "rows_decode_grouped" : "rows_decode", tiles::kDecodeRows,
      grouped ? tiles::kDecodeQueries : 1, 0, whole, part.narrow(3, 0, blocks));
  add("rows_decode_tail", 1, tiles::kDecodeQueries, whole, state.size(2) - whole,
      part.narrow(3, blocks, part.size(3) - blocks));
}

/// norm += phi_k, and the quotient [B, Hk, group, dv].
void finish(const Backend& backend, const Token& token, const at::Tensor& part,
            const Denominator& rule, const at::Tensor& norm, const at::Tensor& out) {
  KernelCall call(backend, "rows_decode_out", token.phi_k);
  call.add(token.phi_k);
  call.add(token.phi_q);
  call.add(part);
  call.add(norm);
  call.add(rule.add);
  call.add(finite_floor(rule.clamp));
  call.add(norm);
  call.add(out);
  call.run();
}

}  // namespace

void row_decode_step(const Backend& backend, const Problem& p, const at::Tensor& state,
                     const at::Tensor& norm, const at::Tensor& out) {
  if (state.numel() == 0) return;
  const HeadOrder order(p);
  TORCH_CHECK_VALUE(std::max(order.batch, order.key_heads) <= kMostBlocks,
                    "luna: CUDA decodes at most ", kMostBlocks,
                    " sequences and key heads a call, got ", order.batch, " and ", order.key_heads,
                    "; split the batch or the heads");
  const at::Tensor v = kept(p.v, p.k_weight).to(at::kFloat).squeeze(2);
  const Token token{features(backend, order, p.k_map, p.k, p.k_weight).squeeze(2), v,
                    features(backend, order, p.q_map, p.q, p.q_weight)};
  const int64_t D = state.size(2), blocks = D / tiles::kDecodeRows;
  const at::Tensor part = at::empty({order.batch, order.key_heads, order.group,
                                     blocks + D - blocks * tiles::kDecodeRows, v.size(2)},
                                    state.options());
  for (int64_t g = 0; g < order.group; g += tiles::kDecodeQueries) {
    const int64_t queries = std::min<int64_t>(tiles::kDecodeQueries, order.group - g);
    Token own = token;
    own.phi_q = token.phi_q.narrow(2, g, queries);
    if (g > 0) {  // the states have the token already
      own.phi_k = at::zeros_like(token.phi_k);
      own.v = at::zeros_like(v);
    }
    add_token(backend, own, state, part.narrow(2, g, queries));
  }
  const at::Tensor result = out.scalar_type() == at::kFloat
                                ? out
                                : at::empty(out.sizes(), out.options().dtype(at::kFloat));
  finish(backend, token, part, p.denominator, norm,
         result.squeeze(2).unflatten(1, {order.key_heads, order.group}));
  if (!result.is_same(out)) out.copy_(result);
}

}  // namespace luna::kernels::cuda
