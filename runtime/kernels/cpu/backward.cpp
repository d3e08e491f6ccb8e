#include <ATen/ATen.h>

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/segments.h"
#include "runtime/kernels/cpu/state.h"
#include "runtime/kernels/cpu/tasks.h"
#include "runtime/kernels/layout.h"
#include "runtime/kernels/token_weights.h"

namespace luna::kernels::cpu {
namespace {

void query_gradients(const Problem& p, const PackedMap& map, const Forward& saved,
                     const at::Tensor& grad, Backward& result, StateGradient& state_gradient) {
  const int64_t B = p.q.size(0), H = p.q.size(1), Nq = p.q.size(2);
  const int64_t Hk = p.k.size(1), D = saved.S.size(2), dv = saved.S.size(3);
  const int64_t features = map.layout().padded, columns = map.padded_columns();
  const Tasks tasks(B, H, Nq);
  const at::Tensor states = state_columns(saved.S, saved.z, map.layout(), columns);
  const at::Tensor partial = at::empty({tasks.count(), columns, features}, saved.S.options());
  const at::Tensor sums = at::empty({tasks.count(), map.sum_size()}, saved.S.options());
  float one = 1.0f;
  const Rows q(p.q), g(grad), o(saved.o), den(saved.den), weight(p.q_weight, &one),
      dq(result.q, &one);
  const float* state = states.const_data_ptr<float>();
  float* partials = partial.data_ptr<float>();
  float* task_sums = sums.data_ptr<float>();

  tasks.run([&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h * Hk / H;
      float* dstate = partials + index * columns * features;
      float* sum = task_sums + index * map.sum_size();
      std::fill_n(dstate, columns * features, 0.0f);
      std::fill_n(sum, map.sum_size(), 0.0f);
      TileCall call("grad_q_" + map.variant());
      const size_t at_q = call.add(q.data, {{q.width, 1}, {0, q.row}});
      const size_t at_g = call.add(g.data, {{g.width, 1}, {0, g.row}});
      const size_t at_o = call.add(o.data, {{o.width, 1}, {0, o.row}});
      const size_t at_den = call.add(den.data, {{0, den.row}});
      const size_t at_weight = call.add(weight.data, {{0, weight.row}});
      call.add(state + head * columns * features, {{features, 1}, {columns, features}});
      call.add(p.denominator.add);
      call.add(finite_floor(p.denominator.clamp));
      map.add_inputs(call, Side::query, true, 0.0f);
      const size_t at_dq = call.add(dq.data, {{q.width, 1}, {0, dq.row}});
      call.add(dstate, {{features, 1}, {columns, features}});
      map.add_sums(call, sum);
      for_each_tile(task, [&](int64_t n, int64_t tokens) {
        call.point(at_q, q.at(task.b, task.h, n), tokens);
        call.point(at_g, g.at(task.b, task.h, n), tokens);
        call.point(at_o, o.at(task.b, task.h, n), tokens);
        call.point(at_den, den.at(task.b, task.h, n), tokens);
        call.point(at_weight, weight.at(task.b, task.h, n), tokens);
        call.point(at_dq, dq.at(task.b, task.h, n), result.q.defined() ? tokens : 0);
        call.run();
      });
    }
  });
  result.q_map = map.unpack(sum_tasks(sums));

  // The slots of a key head's whole group of query heads are adjacent.
  const int64_t slots = tasks.slots() * (H / std::max<int64_t>(Hk, 1));
  at::parallel_for(0, B * Hk, 1, [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; head++) {
      reduce_state(partials + head * slots * columns * features, slots, map.layout(), columns, dv,
                   state_gradient.R.data_ptr<float>() + head * D * dv,
                   state_gradient.u.data_ptr<float>() + head * D);
    }
  });
}

void key_gradients(const Problem& p, const PackedMap& map, const StateGradient& state_gradient,
                   const at::Tensor& power, Backward& result) {
  const int64_t B = p.k.size(0), Hk = p.k.size(1), N = p.k.size(2);
  const int64_t features = map.layout().padded, columns = map.padded_columns();
  const at::Tensor states =
      state_columns(state_gradient.R, state_gradient.u, map.layout(), columns);
  const at::Tensor rows = state_rows(state_gradient.R, map.layout());
  const int64_t width = rows.size(3);
  const Tasks tasks(B, Hk, N);
  const at::Tensor sums = at::empty({tasks.count(), map.sum_size()}, p.k.options());
  float one = 1.0f;
  const Rows k(p.k), v(p.v), weight(p.k_weight, &one), dk(result.k, &one), dv(result.v, &one),
      dot(power, &one);
  const float* state = states.const_data_ptr<float>();
  const float* R = rows.const_data_ptr<float>();
  float* task_sums = sums.data_ptr<float>();
  const float* stabiliser =
      p.k_map.stabiliser.defined() ? p.k_map.stabiliser.const_data_ptr<float>() : nullptr;

  tasks.run([&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h;
      float* sum = task_sums + index * map.sum_size();
      std::fill_n(sum, map.sum_size(), 0.0f);
      TileCall call("grad_k_" + map.variant());
      const size_t at_k = call.add(k.data, {{k.width, 1}, {0, k.row}});
      const size_t at_v = call.add(v.data, {{v.width, 1}, {0, v.row}});
      const size_t at_weight = call.add(weight.data, {{0, weight.row}});
      call.add(state + head * columns * features, {{features, 1}, {columns, features}});
      call.add(R + head * features * width, {{width, 1}, {features, width}});
      map.add_inputs(call, Side::key, true, stabiliser ? stabiliser[head] : 0.0f);
      const size_t at_dk = call.add(dk.data, {{k.width, 1}, {0, dk.row}});
      const size_t at_dv = call.add(dv.data, {{v.width, 1}, {0, dv.row}});
      const size_t at_power = call.add(dot.data, {{0, dot.row}});
      map.add_sums(call, sum);
      for_each_tile(task, [&](int64_t n, int64_t tokens) {
        call.point(at_k, k.at(task.b, task.h, n), tokens);
        call.point(at_v, v.at(task.b, task.h, n), tokens);
        call.point(at_weight, weight.at(task.b, task.h, n), tokens);
        call.point(at_dk, dk.at(task.b, task.h, n), result.k.defined() ? tokens : 0);
        call.point(at_dv, dv.at(task.b, task.h, n), result.v.defined() ? tokens : 0);
        call.point(at_power, dot.at(task.b, task.h, n), power.defined() ? tokens : 0);
        call.run();
      });
    }
  });
  result.k_map = map.unpack(sum_tasks(sums));
}

}  // namespace

Backward backward(const Problem& p, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted) {
  const int64_t d = p.q.size(3), dv = p.v.size(3);
  Backward result;
  if (wanted.q) {
    result.q = at::empty_like(p.q);
  }
  const auto q_segments = SegmentMap::where_it_pays(p.q_map, p.q.size(2), dv);
  const auto k_segments = SegmentMap::where_it_pays(p.k_map, p.k.size(2), dv);
  const at::Tensor center = q_segments || k_segments ? center_of(saved) : at::Tensor();
  StateGradient state_gradient{at::empty_like(saved.S), at::empty_like(saved.z), {}};
  if (q_segments) {
    state_gradient.center = center;
    segment_query_gradients(p, *q_segments, saved, grad, wanted.params, result, state_gradient);
  } else {
    query_gradients(p, PackedMap(p.q_map, d, dv), saved, grad, result, state_gradient);
  }
  if (wanted.q_weight) {
    result.q_weight = query_weight_gradient(p, saved, grad);
  }
  if (wanted.k || wanted.v || wanted.k_weight || wanted.params) {
    result.k = wanted.k ? at::empty_like(p.k) : at::Tensor();
    result.v = wanted.v ? at::empty_like(p.v) : at::Tensor();
    at::Tensor power;  // phi . dphi of every key
    if (wanted.k_weight) {
      power = at::empty({p.k.size(0), p.k.size(1), p.k.size(2)}, p.k.options());
    }
    state_gradient.count_from(k_segments ? center : at::Tensor());
    if (k_segments) {
      segment_key_gradients(p, *k_segments, state_gradient, wanted.params, power, result);
    } else {
      key_gradients(p, PackedMap(p.k_map, d, dv), state_gradient, power, result);
    }
    if (wanted.k_weight) {
      result.k_weight = key_weight_gradient(p, power);
    }
  }
  if (!wanted.params) {
    result.q_map = result.k_map = {};
  }
  return result;
}

}  // namespace luna::kernels::cpu
