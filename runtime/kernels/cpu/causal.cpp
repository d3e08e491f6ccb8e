#include "runtime/kernels/cpu/causal.h"

#include "runtime/kernels/cpu/causal_chunks.h"
#include "runtime/kernels/cpu/quotient.h"

namespace luna::kernels::cpu {
namespace {

/// What the queries of a chunk give.
class ChunkOutputs {
 public:
  ChunkOutputs(const Problem& p, int64_t chunk, Forward& result)
      : rule_(p.denominator),
        o_(result.o),
        den_(result.den),
        sums_(p.v.size(3), chunk),
        factor_(chunk) {}

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
  ChunkNormalisers(const PackedMap& map, int64_t chunk) : z_(map.layout().padded, chunk) {}
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
  const int64_t chunk = chunk_tokens(k_map);
  const Tasks strips = strips_of(p.k);
  const TaskStates before = states_before(p, k_map, strips, chunk);
  const ChunkStates kept = ChunkStates::of_forward(p, k_map, strips, chunk);
  if (kept.defined()) result.key_sums = {kept.memory()};
  strips.run([&](int64_t begin, int64_t end) {
    KeyTiles keys(p, k_map, chunk);
    auto queries = query_tiles(p, q_map, chunk);
    ChunkOutputs outputs(p, chunk, result);
    const ChunkNormalisers normalisers(k_map, chunk);
    RunningState state(k_map.layout(), dv);
    for (int64_t index = begin; index < end; index++) {
      const Task task = strips[index];
      const int64_t head = task.b * Hk + task.h;
      keys.features.start(task, task.h);
      state.start(before.of(index));
      for_each_tile(task, chunk, [&](int64_t n, int64_t tokens) {
        if (kept.defined()) state.copy_to(kept.of(index, task, n));
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

}  // namespace luna::kernels::cpu
