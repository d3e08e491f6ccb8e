#include "runtime/kernels/cpu/feature_passes.h"

#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/next_tile.h"
#include "runtime/kernels/cpu/parameter_sums.h"
#include "runtime/kernels/cpu/quotient.h"
#include "runtime/kernels/cpu/running_state.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cpu {
namespace {

/// A contiguous tensor [heads..., outer, inner] as one (inner, outer) matrix a head.
Matrix of_head(const at::Tensor& t, int64_t head) {
  const int64_t inner = t.size(-1), outer = t.size(-2);
  return {t.data_ptr<float>() + head * outer * inner, inner, 1, outer, inner};
}

}  // namespace

void feature_state(const Problem& p, const PackedMap& map, at::Tensor& S, at::Tensor& z) {
  const Tasks tasks = tasks_of(p.k);
  const TaskStates states(tasks.count(), map.layout(), p.v.size(3));
  add_states(p, map, tasks, tile_tokens(map.layout().padded), tasks.slots(), states);
  states.reduce(S, z);
}

void add_states(const Problem& p, const PackedMap& map, const Tasks& tasks, int64_t tile,
                int64_t slots, const TaskStates& states) {
  const TokenRows v(p.v);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles keys(map, p.k, p.k_weight, tile);
    NextTile next(tile, map.layout().padded * v.width(), {&keys.rows(), &v}, {});
    const Tile columns(augmented_columns(v.width()), tile);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      if (task.slot >= slots) continue;
      keys.start(task, task.h);
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        next.follow(task.b, task.h, n, tokens);
        keys.compute(n, tokens);
        const Matrix values =
            v.rows(task.b, task.h, n, tokens, keys.weight(), keys.weight_is_one(), 1.0f, columns);
        state_add(keys.phi(), values, ones(keys.padded()), v.width(), states.of(index), &next);
      });
    }
  });
}

void feature_apply(const Problem& p, const PackedMap& map, Forward& result) {
  const int64_t H = p.q.size(1), Hk = p.k.size(1), dv = p.v.size(3);
  const int64_t tile = tile_tokens(map.layout().padded);
  const at::Tensor states = state_rows(result.S, map.layout());
  const at::Tensor normalisers = normaliser_row(result.z, map.layout()).unsqueeze(2);
  const TokenRows o(result.o);
  const Rows den(result.den);
  const Tasks tasks = tasks_of(p.q);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles queries(map, p.q, p.q_weight, tile);
    NextTile next(tile, map.layout().padded * dv, {&queries.rows()}, {&o});
    const Tile sums(dv, tile);
    std::vector<float> factor(padded_tokens(tile));
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h * Hk / H;
      Matrix z = of_head(normalisers, head);
      z.stride1 = 0;
      queries.start(task, task.h * Hk / H);
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        next.follow(task.b, task.h, n, tokens);
        queries.compute(n, tokens);
        dot(queries.phi(), z.first1(queries.padded()), factor.data());
        for (int64_t k = 0; k < tokens; k++) {
          *den.at(task.b, task.h, n + k) = factor[k];
          factor[k] = 1.0f / denominator_rule(factor[k], p.denominator);
        }
        const Matrix out = o.target(task.b, task.h, n, tokens, /*weight=*/nullptr, sums);
        product(of_head(states, head), queries.phi(), out, factor.data(), &next);
        o.store_target(task.b, task.h, n, tokens, out, nullptr);
      });
    }
  });
}

void feature_query_gradients(const Problem& p, const PackedMap& map, const Forward& saved,
                             const at::Tensor& grad, bool wants_params, Backward& result,
                             StateGradient& state_gradient) {
  const int64_t H = p.q.size(1), Hk = p.k.size(1), dv = saved.S.size(3);
  const int64_t tile = tile_tokens(map.layout().padded);
  const Tasks tasks = tasks_of(p.q);
  const at::Tensor state = state_columns(saved.S, saved.z, map.layout());
  const TaskStates states(tasks.count(), map.layout(), dv);
  const ParameterSums params(map, tasks.count(), wants_params);
  const TokenRows dq(result.q), o(saved.o), go(grad);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles queries(map, p.q, p.q_weight, tile);
    QuotientColumns quotient(grad, saved.o, saved.den, p.denominator, tile);
    const int64_t asking = 1 + (dq.defined() || wants_params);
    NextTile next(tile, asking * map.layout().padded * dv, {&queries.rows(), &go, &o}, {&dq});
    const Tile dphi(map.layout().padded, tile);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const Matrix S = of_head(state, task.b * Hk + task.h * Hk / H);
      queries.start_gradient(task, task.h * Hk / H, params.of(index));
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        next.follow(task.b, task.h, n, tokens);
        queries.compute(n, tokens);
        const int64_t padded = queries.padded();
        const Tile& columns =
            quotient.compute(task.b, task.h, n, tokens, queries.weight(), queries.weight_is_one());
        const Matrix w = columns.matrix(padded);
        state_add(queries.phi(), w, w.part0(dv, 1), dv, states.of(index), &next);
        if (!dq.defined() && !wants_params) return;
        product(S.first1(dv + 1), w.first0(dv + 1), dphi.matrix(padded), nullptr, &next);
        queries.gradient(dphi, dq);
      });
    }
  });
  if (wants_params) result.q_map = params.total(p.k);
  states.reduce(state_gradient.R, state_gradient.u);
}

void feature_key_gradients(const Problem& p, const PackedMap& map,
                           const StateGradient& state_gradient, bool wants_params,
                           const at::Tensor& power, Backward& result) {
  const int64_t Hk = p.k.size(1), width = p.v.size(3), tile = tile_tokens(map.layout().padded);
  const at::Tensor state = state_columns(state_gradient.R, state_gradient.u, map.layout());
  const at::Tensor rows = state_rows(state_gradient.R, map.layout());
  const Tasks tasks = tasks_of(p.k);
  const ParameterSums params(map, tasks.count(), wants_params);
  const TokenRows v(p.v), dk(result.k), dv(result.v);
  const Rows powers(power, nullptr);
  const bool through_map = dk.defined() || wants_params || power.defined();
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles keys(map, p.k, p.k_weight, tile);
    const Tile values(augmented_columns(width), tile), dphi(map.layout().padded, tile);
    const Tile dvalues(width, tile);
    const int64_t asking = dv.defined() + through_map;
    NextTile next(tile, asking * map.layout().padded * width, {&keys.rows(), &v}, {&dv, &dk});
    std::vector<float> products(padded_tokens(tile));
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h;
      keys.start_gradient(task, task.h, params.of(index));
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        next.follow(task.b, task.h, n, tokens);
        keys.compute(n, tokens);
        const int64_t padded = keys.padded();
        if (dv.defined()) {
          const Matrix out = dv.target(task.b, task.h, n, tokens, keys.selection(), dvalues);
          product(of_head(rows, head), keys.phi(), out, nullptr, &next);
          dv.store_target(task.b, task.h, n, tokens, out, keys.selection());
        }
        if (!through_map) return;
        v.load(task.b, task.h, n, tokens, keys.weight(), 1.0f, values);
        product(of_head(state, head).first1(width + 1), values.matrix(padded).first0(width + 1),
                dphi.matrix(padded), nullptr, &next);
        if (power.defined()) {
          dot(keys.phi(), dphi.matrix(padded), products.data());
          for (int64_t k = 0; k < tokens; k++) *powers.at(task.b, task.h, n + k) = products[k];
        }
        if (!dk.defined() && !wants_params) return;
        keys.gradient(dphi, dk);
      });
    }
  });
  if (wants_params) result.k_map = params.total(p.k);
}

}  // namespace luna::kernels::cpu
