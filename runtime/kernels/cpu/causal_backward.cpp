#include "runtime/kernels/cpu/causal.h"
#include "runtime/kernels/cpu/causal_chunks.h"
#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/parameter_sums.h"
#include "runtime/kernels/cpu/quotient.h"

namespace luna::kernels::cpu {
namespace {

/// Gradients of the queries, first token to last; leaves in R every strip's own state gradient.
void query_gradients(const Problem& p, const PackedMap& q_map, const PackedMap& k_map,
                     const Forward& saved, const at::Tensor& grad, const Tasks& strips,
                     const TaskStates& R, bool wants_params, Backward& result) {
  const int64_t dv = p.v.size(3);
  const TaskStates before = states_before(p, k_map, strips);
  const ParameterSums params(q_map, strips.count(), wants_params);
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
  const ParameterSums params(k_map, strips.count(), wants_params);
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
