#include <ATen/ATen.h>

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/segments.h"
#include "runtime/kernels/cpu/state.h"
#include "runtime/kernels/cpu/tasks.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cpu {
namespace {

/// S and z of every (b, key head): the kv_state pass over slots, then their sum.
void key_value_state(const Problem& p, const PackedMap& map, at::Tensor& S, at::Tensor& z) {
  const int64_t B = p.k.size(0), Hk = p.k.size(1), N = p.k.size(2);
  const int64_t dv = p.v.size(3), D = S.size(2);
  const int64_t features = map.layout().padded, columns = map.padded_columns();
  const Tasks tasks(B, Hk, N);
  const at::Tensor partial = at::empty({tasks.count(), columns, features}, S.options());
  float* partials = partial.data_ptr<float>();
  float one = 1.0f;
  const Rows k(p.k), v(p.v), weight(p.k_weight, &one);
  const float* stabiliser =
      p.k_map.stabiliser.defined() ? p.k_map.stabiliser.const_data_ptr<float>() : nullptr;

  tasks.run([&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      float* state = partials + index * columns * features;
      std::fill_n(state, columns * features, 0.0f);
      TileCall call("kv_state_" + map.variant());
      const size_t at_k = call.add(k.data, {{k.width, 1}, {0, k.row}});
      const size_t at_v = call.add(v.data, {{v.width, 1}, {0, v.row}});
      const size_t at_weight = call.add(weight.data, {{0, weight.row}});
      map.add_inputs(call, Side::key, false, stabiliser ? stabiliser[task.b * Hk + task.h] : 0.0f);
      call.add(state, {{features, 1}, {columns, features}});
      for_each_tile(task, [&](int64_t n, int64_t tokens) {
        call.point(at_k, k.at(task.b, task.h, n), tokens);
        call.point(at_v, v.at(task.b, task.h, n), tokens);
        call.point(at_weight, weight.at(task.b, task.h, n), tokens);
        call.run();
      });
    }
  });
  at::parallel_for(0, B * Hk, 1, [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; head++) {
      reduce_state(partials + head * tasks.slots() * columns * features, tasks.slots(),
                   map.layout(), columns, dv, S.data_ptr<float>() + head * D * dv,
                   z.data_ptr<float>() + head * D);
    }
  });
}

void apply(const Problem& p, const PackedMap& map, Forward& result) {
  const int64_t B = p.q.size(0), H = p.q.size(1), Nq = p.q.size(2), Hk = p.k.size(1);
  const at::Tensor states = state_rows(result.S, map.layout());
  const at::Tensor normalisers = normaliser_row(result.z, map.layout());
  const int64_t features = map.layout().padded, width = states.size(3);
  const float* S = states.const_data_ptr<float>();
  const float* z = normalisers.const_data_ptr<float>();
  float one = 1.0f;
  const Rows q(p.q), weight(p.q_weight, &one), o(result.o), den(result.den);
  const Tasks tasks(B, H, Nq);

  tasks.run([&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h * Hk / H;
      TileCall call("apply_state_" + map.variant());
      const size_t at_q = call.add(q.data, {{q.width, 1}, {0, q.row}});
      const size_t at_weight = call.add(weight.data, {{0, weight.row}});
      call.add(S + head * features * width, {{width, 1}, {features, width}});
      call.add(z + head * features, {{features, 1}});
      call.add(p.denominator.add);
      call.add(finite_floor(p.denominator.clamp));
      map.add_inputs(call, Side::query, false, 0.0f);
      const size_t at_o = call.add(o.data, {{o.width, 1}, {0, o.row}});
      const size_t at_den = call.add(den.data, {{0, den.row}});
      for_each_tile(task, [&](int64_t n, int64_t tokens) {
        call.point(at_q, q.at(task.b, task.h, n), tokens);
        call.point(at_weight, weight.at(task.b, task.h, n), tokens);
        call.point(at_o, o.at(task.b, task.h, n), tokens);
        call.point(at_den, den.at(task.b, task.h, n), tokens);
        call.run();
      });
    }
  });
}

}  // namespace

Forward forward(const Problem& p) {
  const int64_t B = p.q.size(0), H = p.q.size(1), Nq = p.q.size(2), d = p.q.size(3);
  const int64_t Hk = p.k.size(1), dv = p.v.size(3);
  const int64_t D = feature_count(p.k_map, d);
  Forward result;
  result.S = at::empty({B, Hk, D, dv}, p.q.options());
  result.z = at::empty({B, Hk, D}, p.q.options());
  result.o = empty_in_order_of(p.q, dv);
  result.den = at::empty({B, H, Nq}, p.q.options());
  if (const auto map = SegmentMap::where_it_pays(p.k_map, p.k.size(2), dv)) {
    segment_state(p, *map, result.S, result.z);
  } else {
    key_value_state(p, PackedMap(p.k_map, d, dv), result.S, result.z);
  }
  if (const auto map = SegmentMap::where_it_pays(p.q_map, Nq, dv)) {
    segment_apply(p, *map, result);
  } else {
    apply(p, PackedMap(p.q_map, d, dv), result);
  }
  return result;
}

}  // namespace luna::kernels::cpu
