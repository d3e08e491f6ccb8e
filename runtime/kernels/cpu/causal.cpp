#include "runtime/kernels/cpu/causal.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/quotient.h"
#include "runtime/kernels/cpu/running_state.h"
#include "runtime/kernels/cpu/transpose.h"

namespace luna::kernels::cpu {
namespace {

/// Tokens of a chunk: longer ones cost more scores, shorter ones more passes over the state.
constexpr int64_t kChunk = 64;
/// Scores beyond the diagonal are left out in steps of this many tokens.
constexpr int64_t kStep = tiles::kRowColumns;

/// A head's tokens are cut into strips only where there are fewer heads than this: every strip
/// costs its state once more.
constexpr int64_t kEnoughHeads = 8;
/// Bounds of a strip; a running state is a float32 sum over it.
constexpr int64_t kMinStrip = 1024, kMaxStrip = 8192;

Tasks strips_of(const at::Tensor& k) {
  const int64_t heads = std::max<int64_t>(1, k.size(0) * k.size(1)), N = k.size(2);
  const int64_t wanted = (kEnoughHeads + heads - 1) / heads;
  const int64_t strip = std::clamp(N / wanted, kMinStrip, kMaxStrip);
  return {k.size(0), k.size(1), N, tiles::round_up(strip, kChunk)};
}

/// Scores a(s, t) = rows(s) . c(t) of a chunk, 0 where s > t.
class Scores {
 public:
  explicit Scores(int64_t depth) : transposed_(kChunk, depth), scores_(kChunk, kChunk) {}

  /// rows(k, s), c(k, t); both `tokens` long (a multiple of kTokenBlock).
  void compute(const Matrix& rows, const Matrix& c, int64_t tokens) {
    transpose(rows, transposed_.data(), kChunk);
    const Matrix left{transposed_.data(), kChunk, 1, rows.extent0, kChunk};
    for (int64_t t = 0; t < tokens; t += kStep) {
      const int64_t count = std::min(kStep, tokens - t);
      product(left.first0(t + kStep), c.part1(t, count), part(0, t + kStep, t, count));
    }
    for (int64_t t = 0; t < tokens; t++) {
      std::fill(scores_.row(t) + t + 1, scores_.row(t) + kChunk, 0.0f);
    }
  }

  /// out(i, t) += sum_{s <= t} rows(i, s) a(s, t).
  void add_earlier(const Matrix& rows, const Matrix& out) const {
    for (int64_t t = 0; t < out.extent1; t += kStep) {
      const int64_t count = std::min(kStep, out.extent1 - t);
      const int64_t seen = std::min(t + kStep, out.extent1);
      product_add(rows.first0(out.extent0).first1(seen), part(0, seen, t, count),
                  out.part1(t, count));
    }
  }

  /// out(i, s) += sum_{t >= s} rows(i, t) a(s, t).
  void add_later(const Matrix& rows, const Matrix& out) const {
    for (int64_t s = 0; s < out.extent1; s += kStep) {
      const int64_t count = std::min(kStep, out.extent1 - s), rest = out.extent1 - s;
      product_add(rows.first0(out.extent0).part1(s, rest), part(s, count, s, rest).transposed(),
                  out.part1(s, count));
    }
  }

  /// sum[t] += sum_s a(s, t).
  void add_sums(int64_t tokens, float* sum) const {
    for (int64_t t = 0; t < tokens; t++) {
      for (int64_t s = 0; s <= t; s++) sum[t] += scores_.row(t)[s];
    }
  }

  const float* of(int64_t t) const { return scores_.row(t); }

 private:
  Matrix part(int64_t s, int64_t s_count, int64_t t, int64_t t_count) const {
    return {scores_.row(t) + s, s_count, 1, t_count, scores_.width()};
  }
  Tile transposed_, scores_;
};

/// out(i, t) += sum_{s <= t} rows(i, s) a(s, t), where a key that is not finite reaches no earlier
/// token: 0 times it is NaN, so that a step of tokens whose first one is NaN is computed again,
/// each token from the keys that it sees.
class EarlierSums {
 public:
  EarlierSums(int64_t width, int64_t chunk)
      : before_(width, chunk), sum_(width, tiles::kTokenBlock) {}

  /// fill(before) gives what out was before.
  template <typename Fill>
  void add(const Scores& scores, const Matrix& rows, const Matrix& out, const Fill& fill) const {
    scores.add_earlier(rows, out);
    bool filled = false;
    for (int64_t t = 0; t < out.extent1; t += kStep) {
      const float* first = out.data + t * out.stride1;
      if (std::none_of(first, first + out.extent0, [](float x) { return std::isnan(x); })) continue;
      if (!filled) fill(before_.matrix(out.extent1));
      filled = true;
      for (int64_t n = t; n < std::min(t + kStep, out.extent1); n++) redo(scores, rows, n, out);
    }
  }

 private:
  void redo(const Scores& scores, const Matrix& rows, int64_t t, const Matrix& out) const {
    const Matrix sum = sum_.matrix(tiles::kTokenBlock);
    product(rows.first0(sum.extent0).first1(t + 1),
            {const_cast<float*>(scores.of(t)), t + 1, 1, tiles::kTokenBlock, 0}, sum);
    for (int64_t i = 0; i < out.extent0; i++) {
      out.data[t * out.stride1 + i] = before_.row(t)[i] + sum.data[i];
    }
  }

  Tile before_, sum_;
};

/// Tiles of the keys and values of a chunk.
struct KeyTiles {
  KeyTiles(const Problem& p, const PackedMap& map)
      : features(map, p.k, p.k_weight, kChunk),
        values(augmented_columns(p.v.size(3)), kChunk),
        v(p.v) {}
  void compute(const Task& task, int64_t n, int64_t tokens) {
    features.compute(n, tokens);
    v.load(task.b, task.h, n, tokens, features.weight(), 1.0f, values);
  }
  FeatureTiles features;
  Tile values;
  TokenRows v;
};

/// Query heads of a key head's task.
template <typename Body>
void for_each_query_head(const Problem& p, const Task& task, const Body& body) {
  const int64_t group = p.q.size(1) / p.k.size(1);
  for (int64_t g = 0; g < group; g++) {
    Task queries = task;
    queries.h = task.h * group + g;
    body(g, queries);
  }
}

template <typename Body>
void for_each_chunk(const Task& task, const Body& body) {
  for_each_tile(task, kChunk, body);
}

template <typename Body>
void for_each_chunk_reversed(const Task& task, const Body& body) {
  for (int64_t n = (task.tokens - 1) / kChunk * kChunk; n >= 0 && task.tokens > 0; n -= kChunk) {
    body(task.first + n, std::min(kChunk, task.tokens - n));
  }
}

/// Every strip's state of the keys before it.
TaskStates states_before(const Problem& p, const PackedMap& map, const Tasks& strips) {
  TaskStates states(strips.count(), map.layout(), p.v.size(3));
  if (strips.slots() == 1) return states;
  strips.run([&](int64_t begin, int64_t end) {
    KeyTiles keys(p, map);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      if (task.slot == strips.slots() - 1) continue;  // no strip comes after
      keys.features.start(task, task.h);
      for_each_chunk(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        state_add(keys.features.phi(), by_token(keys.values, keys.features.padded(), p.v.size(3)),
                  states.of(index));
      });
    }
  });
  states.sum_before(strips.slots());
  return states;
}

/// The queries of a chunk and what they give.
class ChunkOutputs {
 public:
  ChunkOutputs(const Problem& p, const PackedMap& map, Forward& result)
      : rule_(p.denominator),
        o_(result.o),
        den_(result.den),
        queries_(map, p.q, p.q_weight, kChunk),
        scores_(map.layout().padded),
        sums_(p.v.size(3), kChunk),
        earlier_(p.v.size(3), kChunk),
        factor_(kChunk) {}

  void start(const Task& task, int64_t key_head) { queries_.start(task, key_head); }

  void compute(const Task& task, int64_t n, int64_t tokens, const KeyTiles& keys,
               const RunningState& state) {
    queries_.compute(n, tokens);
    const int64_t padded = queries_.padded();
    const Matrix phi = queries_.phi(), sums = sums_.matrix(padded);
    scores_.compute(keys.features.phi(), phi, padded);
    const auto of_state = [&](const Matrix& out) { product(state.rows(), phi, out); };
    of_state(sums);
    earlier_.add(scores_, keys.values.matrix(padded), sums, of_state);
    dot(phi, state.normaliser(padded), factor_.data());
    scores_.add_sums(tokens, factor_.data());
    for (int64_t t = 0; t < tokens; t++) {
      *den_.at(task.b, task.h, n + t) = factor_[t];
      factor_[t] = 1.0f / denominator_rule(factor_[t], rule_);
    }
    o_.store(task.b, task.h, n, tokens, sums_, factor_.data());
  }

 private:
  Denominator rule_;
  TokenRows o_;
  Rows den_;
  FeatureTiles queries_;
  Scores scores_;
  Tile sums_;
  EarlierSums earlier_;
  std::vector<float> factor_;
};

}  // namespace

void causal_forward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                    Forward& result) {
  const int64_t Hk = p.k.size(1), dv = p.v.size(3), D = result.S.size(2);
  const Tasks strips = strips_of(p.k);
  const TaskStates before = states_before(p, k_map, strips);
  strips.run([&](int64_t begin, int64_t end) {
    KeyTiles keys(p, k_map);
    ChunkOutputs outputs(p, q_map, result);
    RunningState state(k_map.layout(), dv);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      const int64_t head = task.b * Hk + task.h;
      keys.features.start(task, task.h);
      state.start(before.of(index));
      for_each_chunk(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        for_each_query_head(p, task, [&](int64_t, const Task& queries) {
          outputs.start(queries, task.h);
          outputs.compute(queries, n, tokens, keys, state);
        });
        state.add(keys.features.phi(), keys.values, keys.features.padded());
      });
      if (task.slot == strips.slots() - 1) {
        state.store(result.S.data_ptr<float>() + head * D * dv,
                    result.z.data_ptr<float>() + head * D);
      }
    }
  });
}

namespace {

/// Parameter sums of every task, float32, and their total.
class ParameterSums {
 public:
  ParameterSums(const PackedMap& map, int64_t tasks)
      : map_(map), sums_(at::zeros({tasks, map.sum_size()}, at::kFloat)) {}
  float* of(int64_t task) const { return sums_.data_ptr<float>() + task * sums_.size(1); }
  /// Tasks are those of k's heads.
  MapGrads total(const at::Tensor& k) const {
    return map_.unpack(map_.heads() > 1 ? sum_tasks(sums_, k.size(0), k.size(1))
                                        : sum_tasks(sums_, 1, 1));
  }

 private:
  const PackedMap& map_;
  at::Tensor sums_;
};

/// Gradients of the queries, first token to last; leaves in R every strip's own state gradient.
void query_gradients(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                     const Forward& saved, const at::Tensor& grad, const Tasks& strips,
                     const TaskStates& R, bool wants_params, Backward& result) {
  const int64_t dv = p.v.size(3);
  const TaskStates before = states_before(p, k_map, strips);
  const ParameterSums params(q_map, strips.count());
  const TokenRows dq(result.q);
  const bool through_map = dq.defined() || wants_params;
  strips.run([&](int64_t begin, int64_t end) {
    KeyTiles keys(p, k_map);
    FeatureTiles queries(q_map, p.q, p.q_weight, kChunk);
    QuotientColumns quotient(grad, saved.o, saved.den, p.denominator, kChunk);
    RunningState state(k_map.layout(), dv);
    Scores scores(keys.values.width());
    const EarlierSums earlier(q_map.layout().padded, kChunk);
    const Tile dphi(q_map.layout().padded, kChunk);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      keys.features.start(task, task.h);
      state.start(before.of(index));
      for_each_chunk(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        const int64_t padded = keys.features.padded();
        for_each_query_head(p, task, [&](int64_t, const Task& own) {
          queries.start_gradient(own, task.h, params.of(index));
          queries.compute(n, tokens);
          const Tile& columns =
              quotient.compute(own.b, own.h, n, tokens, queries.weight(), queries.weight_is_one());
          state_add(queries.phi(), by_token(columns, padded, dv), R.of(index));
          if (!through_map) return;
          const Matrix w = columns.matrix(padded).first0(dv + 1), out = dphi.matrix(padded);
          const auto of_state = [&](const Matrix& into) {
            product(state.columns().first1(dv + 1), w, into);
          };
          of_state(out);
          scores.compute(keys.values.matrix(padded).first0(dv + 1), w, padded);
          earlier.add(scores, keys.features.phi(), out, of_state);
          const Tile& dx = queries.gradient(dphi);
          if (dq.defined()) dq.store(own.b, own.h, n, tokens, dx);
        });
        state.add(keys.features.phi(), keys.values, padded);
      });
    }
  });
  if (wants_params) result.q_map = params.total(p.k);
}

/// Gradients of keys and values, last token to first.
void key_gradients(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                   const Forward& saved, const at::Tensor& grad, const Tasks& strips,
                   const TaskStates& after, bool wants_params, const at::Tensor& power,
                   Backward& result) {
  const int64_t width = p.v.size(3);
  const ParameterSums params(k_map, strips.count());
  const TokenRows dk(result.k), dv(result.v);
  const Rows powers(power, nullptr);
  strips.run([&](int64_t begin, int64_t end) {
    KeyTiles keys(p, k_map);
    FeatureTiles queries(q_map, p.q, p.q_weight, kChunk);
    QuotientColumns quotient(grad, saved.o, saved.den, p.denominator, kChunk);
    RunningState state(k_map.layout(), width);
    Scores phi_scores(k_map.layout().padded), value_scores(keys.values.width());
    const Tile dphi(k_map.layout().padded, kChunk), dvalues(width, kChunk);
    std::vector<float> products(kChunk);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      keys.features.start_gradient(task, task.h, params.of(index));
      state.start(after.of(index));
      for_each_chunk_reversed(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        const int64_t padded = keys.features.padded();
        const Matrix phi = keys.features.phi(), out = dphi.matrix(padded);
        const Matrix v = keys.values.matrix(padded).first0(width + 1);
        product(state.columns().first1(width + 1), v, out);
        product(state.rows(), phi, dvalues.matrix(padded));
        for_each_query_head(p, task, [&](int64_t, const Task& own) {
          queries.start(own, task.h);
          queries.compute(n, tokens);
          const Tile& columns =
              quotient.compute(own.b, own.h, n, tokens, queries.weight(), queries.weight_is_one());
          value_scores.compute(v, columns.matrix(padded).first0(width + 1), padded);
          value_scores.add_later(queries.phi(), out);
          phi_scores.compute(phi, queries.phi(), padded);
          phi_scores.add_later(columns.matrix(padded), dvalues.matrix(padded));
          state.add(queries.phi(), columns, padded);
        });
        if (dv.defined()) {
          for (int64_t k = 0; k < tokens; k++) {
            products[k] = keys.features.weight()[k] == 0 ? 0.0f : 1.0f;
          }
          dv.store(task.b, task.h, n, tokens, dvalues, products.data(), /*selects=*/true);
        }
        if (power.defined()) {
          dot(phi, out, products.data());
          for (int64_t k = 0; k < tokens; k++) *powers.at(task.b, task.h, n + k) = products[k];
        }
        if (!dk.defined() && !wants_params) return;
        const Tile& dx = keys.features.gradient(dphi);
        if (dk.defined()) dk.store(task.b, task.h, n, tokens, dx);
      });
    }
  });
  if (wants_params) result.k_map = params.total(p.k);
}

}  // namespace

void causal_backward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                     const Forward& saved, const at::Tensor& grad, bool wants_params,
                     const at::Tensor& power, Backward& result) {
  const Tasks strips = strips_of(p.k);
  TaskStates R(strips.count(), q_map.layout(), p.v.size(3));
  query_gradients(p, q_map, k_map, saved, grad, strips, R, wants_params, result);
  if (!result.k.defined() && !result.v.defined() && !power.defined() && !wants_params) return;
  R.sum_after(strips.slots());
  key_gradients(p, q_map, k_map, saved, grad, strips, R, wants_params, power, result);
}

}  // namespace luna::kernels::cpu
