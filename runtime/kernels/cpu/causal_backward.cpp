#include "runtime/kernels/cpu/causal.h"
#include "runtime/kernels/cpu/causal_chunks.h"
#include "runtime/kernels/cpu/parameter_sums.h"
#include "runtime/kernels/cpu/quotient.h"

namespace luna::kernels::cpu {
namespace {

/// What a causal backward is given and what it fills.
struct Pass {
  const Problem& p;
  const PackedMap &q_map, &k_map;
  const Forward& saved;
  const at::Tensor& grad;
  bool wants_params;
  const at::Tensor& power;
  Backward& result;

  int64_t dv() const { return p.v.size(3); }
  bool of_queries() const { return result.q.defined() || wants_params; }
  bool of_keys() const {
    return result.k.defined() || result.v.defined() || power.defined() || wants_params;
  }
};

/// The queries of a key head, every query head's chunk with the columns of its quotient.
class QueryChunks {
 public:
  explicit QueryChunks(const Pass& pass) : p_(pass.p), tiles_(query_tiles(pass.p, pass.q_map)) {
    for (int64_t g = 0; g < group_of(p_); g++) {
      quotients_.emplace_back(pass.grad, pass.saved.o, pass.saved.den, p_.denominator, kChunk);
    }
  }
  /// body(g, features, columns) for the query heads of a strip's key head, tokens n, ... ; sums:
  /// FeatureTiles::start_gradient()'s.
  template <typename Body>
  void for_each_head(const Task& strip, int64_t n, int64_t tokens, float* sums, const Body& body) {
    for_each_query_head(p_, strip, [&](int64_t g, const Task& own) {
      FeatureTiles& queries = tiles_[g];
      queries.start_gradient(own, strip.h, sums);
      queries.compute(n, tokens);
      const Tile& columns =
          quotients_[g].compute(own.b, own.h, n, tokens, queries.weight(), queries.weight_is_one());
      body(g, queries, columns.matrix(queries.padded()));
    });
  }

 private:
  const Problem& p_;
  std::deque<FeatureTiles> tiles_;
  std::deque<QuotientColumns> quotients_;
};

/// Every strip's state of the queries after it.
TaskStates states_after(const Pass& pass, const Tasks& strips) {
  TaskStates states(strips.count(), pass.q_map.layout(), pass.dv());
  if (strips.slots() == 1 || !pass.of_keys()) return states;
  strips.run([&](int64_t begin, int64_t end) {
    QueryChunks queries(pass);
    for (int64_t index = begin; index < end; index++) {
      const Task strip = strips[index];
      if (strip.slot == 0) continue;  // no keys before it
      for_each_chunk(strip, [&](int64_t n, int64_t tokens) {
        queries.for_each_head(
            strip, n, tokens, nullptr, [&](int64_t, const FeatureTiles& own, const Matrix& w) {
              state_add(own.phi(), w, w.part0(pass.dv(), 1), pass.dv(), states.of(index));
            });
      });
    }
  });
  states.sum_after(strips.slots());
  return states;
}

/// The gradients of one strip at a time: of its queries, first token to last, through the state S
/// of the keys up to theirs; then of its keys and values, last token to first, through R of the
/// queries from theirs on. Where the states before all chunks are known, chunk after chunk, so that
/// features are computed once for both.
class StripGradients {
 public:
  explicit StripGradients(const Pass& pass)
      : pass_(pass),
        keys_(pass.p, pass.k_map),
        queries_(pass),
        S_(pass.k_map.layout(), pass.dv()),
        dq_(pass.result.q),
        dk_(pass.result.k),
        dv_(pass.result.v),
        power_(pass.power, nullptr),
        dphi_(pass.k_map.layout().padded, kChunk),
        dvalues_(pass.dv(), kChunk),
        products_(kChunk) {
    for (int64_t g = 0; g < group_of(pass.p); g++) {
      R_.emplace_back(pass.q_map.layout(), pass.dv());
    }
  }

  /// after: R of the queries after the strip; sums: FeatureTiles::start_gradient()'s.
  void start(const Task& strip, const Matrix& after, float* query_sums, float* key_sums) {
    strip_ = strip;
    query_sums_ = query_sums;
    keys_.features.start_gradient(strip, strip.h, key_sums);
    for (const RunningState& state : R_) {
      &state == &R_.front() ? state.start(after) : state.clear();
    }
  }

  /// Of the strip's tokens n, ..., those after which have been dealt with; before: S of the keys
  /// before them.
  void compute(int64_t n, int64_t tokens, const Matrix& before) {
    Task part = strip_;
    part.first = n;
    part.tokens = tokens;
    if (pass_.of_queries()) {
      const bool moves = tokens > kChunk;  // else S is read where it lies
      if (moves) S_.start(before);
      const Matrix S = moves ? S_.columns() : before;
      for_each_chunk(part, [&](int64_t first, int64_t count) { queries(first, count, S, moves); });
    }
    if (!pass_.of_keys()) return;
    for_each_chunk_reversed(part, [&](int64_t first, int64_t count) { keys(first, count); });
  }

 private:
  void queries(int64_t n, int64_t tokens, const Matrix& S, bool moves) {
    const int64_t dv = pass_.dv();
    keys_.compute(strip_, n, tokens);
    const Matrix phi = keys_.features.phi(), out = dphi_.matrix(keys_.features.padded());
    queries_.for_each_head(
        strip_, n, tokens, query_sums_, [&](int64_t g, FeatureTiles& own, const Matrix& w) {
          const bool keeps = moves && g + 1 == group_of(pass_.p);
          CausalProduct{phi, keys_.values(), w, out, S.first1(dv), /*adds=*/false, keeps}.run(
              Order::forward);
          CausalProduct{phi,
                        ones(out.extent1),
                        w.part0(dv, 1),
                        out,
                        S.part1(dv, 1),
                        /*adds=*/true,
                        keeps}
              .run(Order::forward);
          own.gradient(dphi_, dq_);
        });
  }

  void keys(int64_t n, int64_t tokens) {
    const int64_t dv = pass_.dv();
    keys_.compute(strip_, n, tokens);
    const Matrix phi = keys_.features.phi(), out = dphi_.matrix(keys_.features.padded());
    const float* const selection = keys_.features.selection();
    const Matrix values = dv_.target(strip_.b, strip_.h, n, tokens, selection, dvalues_);
    queries_.for_each_head(
        strip_, n, tokens, query_sums_, [&](int64_t g, const FeatureTiles& own, const Matrix& w) {
          const bool adds = g > 0;
          const Matrix R = R_[g].columns();
          CausalProduct{own.phi(), w, keys_.values(), out, R.first1(dv), adds}.run(Order::reverse);
          CausalProduct{own.phi(),    w.part0(dv, 1), ones(out.extent1), out, R.part1(dv, 1),
                        /*adds=*/true}
              .run(Order::reverse);
          CausalProduct{w, own.phi(), phi, values, R_[g].rows(), adds}.run(Order::reverse);
        });
    if (dv_.defined()) dv_.store_target(strip_.b, strip_.h, n, tokens, values, selection);
    if (pass_.power.defined()) {
      dot(phi, out, products_.data());
      for (int64_t t = 0; t < tokens; t++) *power_.at(strip_.b, strip_.h, n + t) = products_[t];
    }
    if (dk_.defined() || pass_.wants_params) keys_.features.gradient(dphi_, dk_);
  }

  const Pass& pass_;
  Task strip_{};
  float* query_sums_ = nullptr;
  KeyTiles keys_;
  QueryChunks queries_;
  RunningState S_;
  std::deque<RunningState> R_;  ///< one a query head: each scan carries its own
  TokenRows dq_, dk_, dv_;
  Rows power_;
  Tile dphi_, dvalues_;
  std::vector<float> products_;
};

}  // namespace

void causal_backward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                     const Forward& saved, const at::Tensor& grad, bool wants_params,
                     const at::Tensor& power, Backward& result) {
  const Pass pass{p, q_map, k_map, saved, grad, wants_params, power, result};
  const Tasks strips = strips_of(p.k);
  const ChunkStates chunks = ChunkStates::of_backward(saved, k_map, pass.dv(), strips);
  const TaskStates after = states_after(pass, strips);
  std::optional<TaskStates> before;
  if (!chunks.defined()) before = states_before(p, k_map, strips);
  const ParameterSums q_params(q_map, strips.count(), wants_params);
  const ParameterSums k_params(k_map, strips.count(), wants_params);
  strips.run([&](int64_t begin, int64_t end) {
    StripGradients gradients(pass);
    for (int64_t index = begin; index < end; index++) {
      const Task strip = strips[index];
      gradients.start(strip, after.of(index), q_params.of(index), k_params.of(index));
      if (before) {
        gradients.compute(strip.first, strip.tokens, before->of(index));
        continue;
      }
      for_each_chunk_reversed(strip, [&](int64_t n, int64_t tokens) {
        gradients.compute(n, tokens, chunks.of(index, strip, n));
      });
    }
  });
  if (!wants_params) return;
  result.q_map = q_params.total(p.k);
  result.k_map = k_params.total(p.k);
}

}  // namespace luna::kernels::cpu
