// FAVOR+'s keys: M, their largest projection, and their state in one pass although M is known at
// its end alone. Every token's features are taken with its own maximum M_n and without eps; its
// values count exp(M_n - r), r the largest M_n of the task so far, the state of earlier tokens
// being scaled when r grows:
//   S = exp(r - M) sum_n exp(M_n - r) phi_n v_n^T + m^-1/2 eps sum_n w_n v_n^T
// M is kept for the backward pass, whose features would be others than the state's with an M of
// other bits.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/next_tile.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cpu {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
/// Least of a feature and of a factor: times an infinite value they give that, as eps would.
constexpr float kLeast = std::numeric_limits<float>::min();

/// exp(x), x <= 0.
float decay(float x) { return std::max(std::exp(x), kLeast); }

/// The map with M a token's own, as queries have it, and no eps.
MapArgs by_own_maximum(const MapArgs& map) {
  MapArgs own = map;
  own.scalars[kPerformerEpsilon] = kLeast;
  own.scalars[kPerformerOwnMaximum] = static_cast<int32_t>(map.proj.size(-2));
  return own;
}

void scale(const Matrix& state, float factor) {
  if (factor == 1.0f) return;
  float* end = state.data + state.extent1 * state.stride1;
  for (float* x = state.data; x < end; x++) *x *= factor;
}

/// The largest of `before` and of the tokens that are kept.
float largest_of(const FeatureTiles& keys, int64_t tokens, float before) {
  for (int64_t k = 0; k < tokens; k++) {
    if (keys.weight()[k] != 0) before = std::max(before, keys.largest()[k]);
  }
  return before;
}

/// Adds sum_n w_n v_n and, behind it, sum_n w_n; `part` holds one row.
void add_values(const Matrix& v, const float* weight, int64_t dv, const Tile& part, double* sum) {
  std::fill_n(part.data(), part.width(), 0.0f);
  add_column(v.first0(part.width()), {const_cast<float*>(weight), 1, 1, v.extent1, 1}, part.data());
  for (int64_t e = 0; e < dv; e++) sum[e] += part.data()[e];
  sum[dv] += std::accumulate(weight, weight + v.extent1, 0.0f);
}

}  // namespace

bool finds_stabiliser(const Problem& p) {
  return lacks_stabiliser(p) && p.k_map.stabilised_by == Stabiliser::projection && p.k.numel() > 0;
}

at::Tensor key_maximum(const at::Tensor& x, const MapArgs& args, const at::Tensor& weight) {
  const PackedMap map(by_own_maximum(args), x.size(3));
  const int64_t tile = tile_tokens(map.layout().padded);
  const Tasks tasks(x.size(0), x.size(1), x.size(2));
  const at::Tensor maxima = at::full({tasks.count()}, kNone, at::kFloat);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles keys(map, x, weight, tile);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      float& largest = maxima.data_ptr<float>()[index];
      keys.start(task, task.h);
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        keys.compute(n, tokens);
        largest = largest_of(keys, tokens, largest);
      });
    }
  });
  return maxima.view({x.size(0), x.size(1), -1}).amax(2);
}

void stabilised_state(const Problem& p, at::Tensor& S, at::Tensor& z, at::Tensor& M) {
  const PackedMap map(by_own_maximum(p.k_map), p.k.size(3));
  const int64_t tile = tile_tokens(map.layout().padded), dv = p.v.size(3), Hk = p.k.size(1);
  const Tasks tasks(p.k.size(0), Hk, p.k.size(2));
  const TaskStates states(tasks.count(), map.layout(), dv);
  const at::Tensor sums = at::zeros({tasks.count(), dv + 1}, at::kDouble);
  const at::Tensor maxima = at::full({tasks.count()}, kNone, at::kFloat);
  const TokenRows v(p.v);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles keys(map, p.k, p.k_weight, tile);
    NextTile next(tile, map.layout().padded * v.width(), {&keys.rows(), &v}, {});
    const Tile values(augmented_columns(dv), tile), factors(1, tile), part(dv, 1);
    float* factor = factors.data();
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      float& r = maxima.data_ptr<float>()[index];
      keys.start(task, task.h);
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        next.follow(task.b, task.h, n, tokens);
        keys.compute(n, tokens);
        const float* weight = keys.weight();
        add_values(v.rows(task.b, task.h, n, tokens, weight, keys.weight_is_one(), 0.0f, values),
                   weight, dv, part, sums.data_ptr<double>() + index * (dv + 1));
        const float before = r;
        r = largest_of(keys, tokens, before);
        if (before != kNone) scale(states.of(index), decay(before - r));
        for (int64_t k = 0; k < keys.padded(); k++) {
          factor[k] = k < tokens && weight[k] != 0 ? decay(keys.largest()[k] - r) : 0.0f;
        }
        v.load(task.b, task.h, n, tokens, weight, 0.0f, values, factor);
        for (int64_t k = 0; k < tokens; k++) values.row(k)[dv] = factor[k];
        state_add(keys.phi(), values.matrix(keys.padded()), {factor, 1, 1, keys.padded(), 1}, dv,
                  states.of(index), &next);
      });
    }
  });
  const at::Tensor of_slots = maxima.view({-1, tasks.slots()});
  const at::Tensor largest = of_slots.amax(1, true);
  M = largest.masked_fill(largest == kNone, 0.0).view({S.size(0), Hk});
  const at::Tensor factors =
      (of_slots - largest).exp_().clamp_min_(kLeast).masked_fill_(of_slots == kNone, 0.0).flatten();
  for (int64_t index = 0; index < tasks.count(); index++) {
    scale(states.of(index), factors.const_data_ptr<float>()[index]);
  }
  states.reduce(S, z);
  const float epsilon = std::get<float>(p.k_map.scalars[kPerformerEpsilon]);
  const at::Tensor rest =
      sums.view({S.size(0), Hk, tasks.slots(), dv + 1}).sum(2).mul_(epsilon).to(at::kFloat);
  S.add_(rest.narrow(2, 0, dv).unsqueeze(2));
  z.add_(rest.narrow(2, dv, 1));
}

}  // namespace luna::kernels::cpu
