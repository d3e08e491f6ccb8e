#include <deque>
#include <optional>
#include <vector>

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
  int64_t chunk;

  int64_t dv() const { return p.v.size(3); }
  bool wants_queries() const { return result.q.defined() || wants_params; }
  bool wants_keys() const {
    return result.k.defined() || result.v.defined() || power.defined() || wants_params;
  }
};

/// The queries of a key head, every query head's chunk with the columns w of its quotient.
class QueryChunks {
 public:
  explicit QueryChunks(const Pass& pass)
      : p_(pass.p), tiles_(query_tiles(pass.p, pass.q_map, pass.chunk)) {
    for (int64_t g = 0; g < group_of(p_); g++) {
      quotients_.emplace_back(pass.grad, pass.saved.o, pass.saved.den, p_.denominator, pass.chunk);
    }
  }
  /// body(g, features, w) for the query heads of a strip's key head, tokens n, ... ; sums:
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

/// The gradients of one strip at a time: of queries, first token to last, through the state S of
/// the keys up to theirs; of keys and values, last token to first, through R of the queries from
/// theirs on. Features are computed once where queries() and keys() of a chunk follow each other.
class StripGradients {
 public:
  explicit StripGradients(const Pass& pass)
      : pass_(pass),
        keys_(pass.p, pass.k_map, pass.chunk),
        queries_(pass),
        S_(pass.k_map.layout(), pass.dv()),
        dq_(pass.result.q),
        dk_(pass.result.k),
        dv_(pass.result.v),
        power_(pass.power, nullptr),
        dphi_(pass.k_map.layout().padded, pass.chunk),
        dvalues_(pass.dv(), pass.chunk),
        products_(pass.chunk) {
    for (int64_t g = 0; g < group_of(pass.p); g++) {
      R_.emplace_back(pass.q_map.layout(), pass.dv());
    }
  }

  /// sums: FeatureTiles::start_gradient()'s.
  void start(const Task& strip, float* query_sums, float* key_sums) {
    strip_ = strip;
    query_sums_ = query_sums;
    keys_.features.start_gradient(strip, strip.h, key_sums);
  }
  /// S of the keys before the chunk that queries() is called for first.
  void start_queries(const Matrix& before) { S_.start(before); }
  /// R of the queries after the one that keys() is called for first.
  void start_keys(const Matrix& after) {
    for (const RunningState& state : R_) {
      &state == &R_.front() ? state.start(after) : state.clear();
    }
  }

  /// Of the chunk n, ..., those before which have been dealt with.
  void queries(int64_t n, int64_t tokens) { queries(n, tokens, S_.columns(), /*moves=*/true); }
  /// Of any chunk; S (D, e): of the keys before it.
  void queries(int64_t n, int64_t tokens, const Matrix& S) {
    queries(n, tokens, S, /*moves=*/false);
  }
  /// R += what the queries of the chunk n, ... give.
  void add_queries(int64_t n, int64_t tokens, const Matrix& R) {
    const int64_t dv = pass_.dv();
    queries_.for_each_head(strip_, n, tokens, query_sums_,
                           [&](int64_t, const FeatureTiles& own, const Matrix& w) {
                             state_add(own.phi(), w, w.part0(dv, 1), dv, R);
                           });
  }
  /// Of the chunk n, ..., those after which have been dealt with.
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

 private:
  /// moves: S goes on with the chunk's keys; else it is not written, being autograd's.
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

class CausalBackward {
 public:
  explicit CausalBackward(const Pass& pass)
      : pass_(pass),
        strips_(strips_of(pass.p.k)),
        R_(strips_.count(), pass.q_map.layout(), pass.dv()),
        q_params_(pass.q_map, strips_.count(), pass.wants_params),
        k_params_(pass.k_map, strips_.count(), pass.wants_params) {}

  void run() {
    const auto chunks =
        ChunkStates::of_backward(pass_.saved, pass_.p, pass_.k_map, strips_, pass_.chunk);
    chunks.defined() ? by_chunks(chunks) : by_strips();
    if (!pass_.wants_params) return;
    pass_.result.q_map = q_params_.total(pass_.p.k);
    pass_.result.k_map = k_params_.total(pass_.p.k);
  }

 private:
  /// Once through all chunks: the states before them are known.
  void by_chunks(const ChunkStates& before) {
    if (sums_queries()) {
      for_each_strip([&](int64_t index, const Task& strip, StripGradients& gradients) {
        if (strip.slot == 0) return;
        for_each_chunk(strip, [&](int64_t n, int64_t tokens) {
          gradients.add_queries(n, tokens, R_.of(index));
        });
      });
      R_.sum_after(strips_.slots());
    }
    for_each_strip([&](int64_t index, const Task& strip, StripGradients& gradients) {
      gradients.start_keys(R_.of(index));
      for_each_chunk_reversed(strip, pass_.chunk, [&](int64_t n, int64_t tokens) {
        if (pass_.wants_queries()) gradients.queries(n, tokens, before.of(index, strip, n));
        if (pass_.wants_keys()) gradients.keys(n, tokens);
      });
    });
  }

  /// Queries first, then keys.
  void by_strips() {
    if (pass_.wants_queries() || sums_queries()) {
      std::optional<TaskStates> before;
      if (pass_.wants_queries()) {
        before = states_before(pass_.p, pass_.k_map, strips_, pass_.chunk);
      }
      for_each_strip([&](int64_t index, const Task& strip, StripGradients& gradients) {
        if (before) gradients.start_queries(before->of(index));
        for_each_chunk(strip, [&](int64_t n, int64_t tokens) {
          if (before) gradients.queries(n, tokens);
          if (sums_queries() && strip.slot > 0) gradients.add_queries(n, tokens, R_.of(index));
        });
      });
      R_.sum_after(strips_.slots());
    }
    if (!pass_.wants_keys()) return;
    for_each_strip([&](int64_t index, const Task& strip, StripGradients& gradients) {
      gradients.start_keys(R_.of(index));
      for_each_chunk_reversed(strip, pass_.chunk,
                              [&](int64_t n, int64_t tokens) { gradients.keys(n, tokens); });
    });
  }

  /// Whether R is to be summed over strips before their keys take it; the first one's is nobody's.
  bool sums_queries() const { return pass_.wants_keys() && strips_.slots() > 1; }

  /// body(index, strip, its gradients begun), strips side by side.
  template <typename Body>
  void for_each_strip(const Body& body) const {
    strips_.run([&](int64_t begin, int64_t end) {
      StripGradients gradients(pass_);
      for (int64_t index = begin; index < end; index++) {
        gradients.start(strips_[index], q_params_.of(index), k_params_.of(index));
        body(index, strips_[index], gradients);
      }
    });
  }
  template <typename Body>
  void for_each_chunk(const Task& strip, const Body& body) const {
    for_each_tile(strip, pass_.chunk, body);
  }

  const Pass& pass_;
  Tasks strips_;
  TaskStates R_;
  ParameterSums q_params_, k_params_;
};

}  // namespace

void causal_backward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                     const Forward& saved, const at::Tensor& grad, bool wants_params,
                     const at::Tensor& power, Backward& result) {
  const Pass pass{p, q_map, k_map, saved, grad, wants_params, power, result, chunk_tokens(k_map)};
  CausalBackward(pass).run();
}

}  // namespace luna::kernels::cpu
