#include <ATen/ATen.h>

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/tasks.h"

namespace luna::kernels::cpu {
namespace {

/// Runs `pass` on every tile of x: inputs x, weight and what `add_inputs` appends, outputs what
/// `add_outputs` appends for a task (it returns the index that `point` is given to move what
/// follows the tokens).
template <typename AddInputs, typename AddOutputs, typename Point>
void run_one_side(const std::string& pass, const at::Tensor& x, const at::Tensor& weight,
                  const AddInputs& add_inputs, const AddOutputs& add_outputs, const Point& point) {
  float one = 1.0f;
  const Rows rows(x), weights(weight, &one);
  const Tasks tasks(x.size(0), x.size(1), x.size(2));
  tasks.run([&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      TileCall call(pass);
      const size_t at_x = call.add(rows.data, {{rows.width, 1}, {0, rows.row}});
      const size_t at_weight = call.add(weights.data, {{0, weights.row}});
      add_inputs(call);
      const size_t output = add_outputs(call, index);
      for_each_tile(task, [&](int64_t n, int64_t tokens) {
        call.point(at_x, rows.at(task.b, task.h, n), tokens);
        call.point(at_weight, weights.at(task.b, task.h, n), tokens);
        point(call, output, task, n, tokens);
        call.run();
      });
    }
  });
}

void stay(TileCall&, size_t, const Task&, int64_t, int64_t) {}

int64_t task_count(const at::Tensor& x) { return Tasks(x.size(0), x.size(1), x.size(2)).count(); }

}  // namespace

at::Tensor power_sum(const at::Tensor& x, const MapArgs& args) {
  const PackedMap map(args, x.size(3), 0);
  const FeatureLayout& layout = map.layout();
  const at::Tensor partial = at::zeros({task_count(x), layout.padded}, x.options());
  float* sums = partial.data_ptr<float>();
  run_one_side(
      "power_sum_" + map.variant(), x, {},
      [&](TileCall& call) { map.add_inputs(call, Side::key, false, 0.0f); },
      [&](TileCall& call, int64_t task) {
        return call.add(sums + task * layout.padded, {{layout.padded, 1}});
      },
      stay);
  const std::vector<double> total = sum_tasks(partial);
  at::Tensor result = at::zeros({layout.L}, at::kDouble);
  double* channels = result.data_ptr<double>();
  for (int64_t i = 0; i < layout.m; i++) {
    for (int64_t l = 0; l < layout.L; l++) {
      channels[l] += total[i * layout.stride + l];
    }
  }
  return result;
}

std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& args,
                                           const at::Tensor& coefficient) {
  const PackedMap map(args, x.size(3), 0);
  const FeatureLayout& layout = map.layout();
  const at::Tensor features = at::zeros({layout.padded}, at::kFloat);
  true_features(features, 0, layout).copy_(coefficient.expand({layout.m, layout.L}));
  const at::Tensor sums = at::zeros({task_count(x), map.sum_size()}, x.options());
  float* task_sums = sums.data_ptr<float>();
  at::Tensor result = at::empty_like(x);
  const Rows dx(result);
  run_one_side(
      "power_grad_" + map.variant(), x, {},
      [&](TileCall& call) {
        call.add(features.const_data_ptr<float>(), {{layout.padded, 1}});
        map.add_inputs(call, Side::key, true, 0.0f);
      },
      [&](TileCall& call, int64_t task) {
        const size_t at_dx = call.add(dx.data, {{dx.width, 1}, {0, dx.row}});
        map.add_sums(call, task_sums + task * map.sum_size());
        return at_dx;
      },
      [&](TileCall& call, size_t at_dx, const Task& task, int64_t n, int64_t tokens) {
        call.point(at_dx, dx.at(task.b, task.h, n), tokens);
      });
  return {result, map.unpack(sum_tasks(sums))};
}

at::Tensor key_maximum(const at::Tensor& x, const MapArgs& args, const at::Tensor& weight) {
  const PackedMap map(args, x.size(3), 0);
  const int64_t padded = map.layout().padded, m = map.layout().m;
  const at::Tensor partial =
      at::full({task_count(x), padded}, -std::numeric_limits<float>::infinity(), x.options());
  float* maxima = partial.data_ptr<float>();
  run_one_side(
      "key_maximum_" + map.variant(), x, weight,
      [&](TileCall& call) { map.add_inputs(call, Side::key, false, 0.0f); },
      [&](TileCall& call, int64_t task) {
        return call.add(maxima + task * padded, {{padded, 1}});
      },
      stay);
  return partial.view({x.size(0), x.size(1), -1, padded}).narrow(3, 0, m).amax({2, 3});
}

}  // namespace luna::kernels::cpu
