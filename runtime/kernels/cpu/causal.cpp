#include "runtime/kernels/cpu/causal.h"

#include <algorithm>
#include <deque>

#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/quotient.h"
#include "runtime/kernels/cpu/running_state.h"
#include "runtime/kernels/cpu/scan.h"

namespace luna::kernels::cpu {
namespace {

/// Tokens of a chunk: their features stay in the nearest caches, and blocks of the state in
/// registers from its first token to its last.
constexpr int64_t kChunk = 64;
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

enum class Order { forward, reverse };

/// The tokens of m in that order, as scan() takes them.
ScanRows in_order(const Matrix& m, Order order) {
  if (order == Order::forward) return {m.data, m.stride1};
  return {m.data + (m.extent1 - 1) * m.stride1, -m.stride1};
}

/// scan() of matrices: y(i, n) = sum_j T(i, j) c(j, n) with T += a(i, n) b(j, n) before it, token
/// after token. adds: y += instead; keeps: T goes on with the sum.
struct CausalProduct {
  Matrix a, b, c, y, T;
  bool adds = false, keeps = true;

  void run(Order order) const {
    const ScanRows out = in_order(y, order);
    scan({in_order(a, order), in_order(b, order), in_order(c, order), const_cast<float*>(out.first),
          out.stride, adds, T.extent0, T.extent1, y.extent1, T.data, T.stride1, keeps});
  }
};

/// The keys and values of a chunk.
class KeyTiles {
 public:
  KeyTiles(const Problem& p, const PackedMap& map)
      : features(map, p.k, p.k_weight, kChunk), tile_(p.v.size(3), kChunk), v_(p.v) {}
  void compute(const Task& task, int64_t n, int64_t tokens) {
    features.compute(n, tokens);
    values_ = v_.rows(task.b, task.h, n, tokens, features.weight(), features.weight_is_one(), 0.0f,
                      tile_);
  }
  /// (e, n), dv columns.
  Matrix values() const { return values_.first0(v_.width()); }

  FeatureTiles features;

 private:
  Tile tile_;
  TokenRows v_;
  Matrix values_{};
};

/// Query heads of a key head.
int64_t group_of(const Problem& p) { return p.q.size(1) / p.k.size(1); }

/// body(g, its task) for the query heads of a key head's task.
template <typename Body>
void for_each_query_head(const Problem& p, const Task& task, const Body& body) {
  const int64_t group = group_of(p);
  for (int64_t g = 0; g < group; g++) {
    Task queries = task;
    queries.h = task.h * group + g;
    body(g, queries);
  }
}

/// Features of the queries, one object a query head of a key head: their calls are set up once a
/// task.
std::deque<FeatureTiles> query_tiles(const Problem& p, const PackedMap& map) {
  std::deque<FeatureTiles> tiles;
  for (int64_t g = 0; g < group_of(p); g++) tiles.emplace_back(map, p.q, p.q_weight, kChunk);
  return tiles;
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
  add_states(p, map, strips, kChunk, strips.slots() - 1, states);  // none comes after the last
  states.sum_before(strips.slots());
  return states;
}

/// What the queries of a chunk give.
class ChunkOutputs {
 public:
  ChunkOutputs(const Problem& p, Forward& result)
      : rule_(p.denominator),
        o_(result.o),
        den_(result.den),
        sums_(p.v.size(3), kChunk),
        factor_(kChunk) {}

  /// keeps: the state goes on with the chunk's keys in it.
  void compute(const Task& task, int64_t n, int64_t tokens, FeatureTiles& queries,
               const KeyTiles& keys, const Matrix& normalisers, const RunningState& state,
               bool keeps) {
    queries.compute(n, tokens);
    const int64_t padded = queries.padded();
    const Matrix phi = queries.phi();
    const Matrix sums = sums_.matrix(padded);
    CausalProduct{keys.values(), keys.features.phi(), phi,  sums,
                  state.rows(),  /*adds=*/false,      keeps}
        .run(Order::forward);
    dot(phi, normalisers, factor_.data());
    for (int64_t t = 0; t < tokens; t++) {
      *den_.at(task.b, task.h, n + t) = factor_[t];
      factor_[t] = 1.0f / denominator_rule(factor_[t], rule_);
    }
    o_.store(task.b, task.h, n, tokens, sums, factor_.data());
  }

 private:
  Denominator rule_;
  TokenRows o_;
  Rows den_;
  Tile sums_;
  std::vector<float> factor_;
};

/// z of every token of a chunk: the sum of its features and of those before it.
class ChunkNormalisers {
 public:
  explicit ChunkNormalisers(const PackedMap& map) : z_(map.layout().padded, kChunk) {}
  Matrix compute(const KeyTiles& keys, int64_t dv, const RunningState& state) const {
    const Matrix z = z_.matrix(keys.features.padded()), one = ones(z.extent1);
    CausalProduct{keys.features.phi(), one, one, z, state.columns().part1(dv, 1)}.run(
        Order::forward);
    return z;
  }

 private:
  Tile z_;
};

}  // namespace

void causal_forward(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                    Forward& result) {
  const int64_t Hk = p.k.size(1), dv = p.v.size(3), D = result.S.size(2);
  const Tasks strips = strips_of(p.k);
  const TaskStates before = states_before(p, k_map, strips);
  strips.run([&](int64_t begin, int64_t end) {
    KeyTiles keys(p, k_map);
    auto queries = query_tiles(p, q_map);
    ChunkOutputs outputs(p, result);
    const ChunkNormalisers normalisers(k_map);
    RunningState state(k_map.layout(), dv);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      const int64_t head = task.b * Hk + task.h;
      keys.features.start(task, task.h);
      state.start(before.of(index));
      for_each_chunk(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        const Matrix z = normalisers.compute(keys, dv, state);
        for_each_query_head(p, task, [&](int64_t g, const Task& own) {
          queries[g].start(own, task.h);
          outputs.compute(own, n, tokens, queries[g], keys, z, state, g + 1 == group_of(p));
        });
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
    auto tiles = query_tiles(p, q_map);
    QuotientColumns quotient(grad, saved.o, saved.den, p.denominator, kChunk);
    const RunningState state(k_map.layout(), dv);
    const Tile dphi(q_map.layout().padded, kChunk);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      keys.features.start(task, task.h);
      state.start(before.of(index));
      for_each_chunk(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        const int64_t padded = keys.features.padded();
        for_each_query_head(p, task, [&](int64_t g, const Task& own) {
          FeatureTiles& queries = tiles[g];
          const bool last = g + 1 == group_of(p);
          queries.start_gradient(own, task.h, params.of(index));
          queries.compute(n, tokens);
          const Matrix w =
              quotient.compute(own.b, own.h, n, tokens, queries.weight(), queries.weight_is_one())
                  .matrix(padded);
          if (strips.slots() > 1) {
            state_add(queries.phi(), w, w.part0(dv, 1), dv, R.of(index));
          }
          if (!through_map) return;
          const Matrix phi = keys.features.phi();
          const Matrix out = dphi.matrix(padded), T = state.columns();
          CausalProduct{phi, keys.values(), w, out, T.first1(dv), /*adds=*/false, last}.run(
              Order::forward);
          CausalProduct{phi, ones(padded), w.part0(dv, 1), out, T.part1(dv, 1), /*adds=*/true, last}
              .run(Order::forward);
          queries.gradient(dphi, dq);
        });
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
    auto tiles = query_tiles(p, q_map);
    QuotientColumns quotient(grad, saved.o, saved.den, p.denominator, kChunk);
    // The states of a key head's query heads: each scan carries its own.
    std::vector<RunningState> states;
    for (int64_t g = 0; g < group_of(p); g++) states.emplace_back(k_map.layout(), width);
    const Tile dphi(k_map.layout().padded, kChunk), dvalues(width, kChunk);
    std::vector<float> products(kChunk);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      keys.features.start_gradient(task, task.h, params.of(index));
      for (const RunningState& state : states) {
        &state == &states.front() ? state.start(after.of(index)) : state.clear();
      }
      for_each_chunk_reversed(task, [&](int64_t n, int64_t tokens) {
        keys.compute(task, n, tokens);
        const int64_t padded = keys.features.padded();
        const Matrix phi = keys.features.phi(), out = dphi.matrix(padded);
        const Matrix values =
            dv.target(task.b, task.h, n, tokens, keys.features.selection(), dvalues);
        for_each_query_head(p, task, [&](int64_t g, const Task& own) {
          FeatureTiles& queries = tiles[g];
          const RunningState& state = states[g];
          queries.start(own, task.h);
          queries.compute(n, tokens);
          const Matrix columns =
              quotient.compute(own.b, own.h, n, tokens, queries.weight(), queries.weight_is_one())
                  .matrix(padded);
          const bool adds = g > 0;
          const Matrix T = state.columns();
          CausalProduct{queries.phi(), columns, keys.values(), out, T.first1(width), adds}.run(
              Order::reverse);
          CausalProduct{queries.phi(), columns.part0(width, 1), ones(padded),
                        out,           T.part1(width, 1),       /*adds=*/true}
              .run(Order::reverse);
          CausalProduct{columns, queries.phi(), phi, values, state.rows(), adds}.run(
              Order::reverse);
        });
        if (dv.defined()) {
          dv.store_target(task.b, task.h, n, tokens, values, keys.features.selection());
        }
        if (power.defined()) {
          dot(phi, out, products.data());
          for (int64_t k = 0; k < tokens; k++) *powers.at(task.b, task.h, n + k) = products[k];
        }
        if (!dk.defined() && !wants_params) return;
        keys.features.gradient(dphi, dk);
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
