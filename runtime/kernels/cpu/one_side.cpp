#include <ATen/ATen.h>

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/tasks.h"

namespace luna::kernels::cpu {
namespace {

/// Runs `pass` on every tile of x: inputs x, weight and what `add_inputs` appends, outputs what
/// `add_outputs` appends for a task (it returns the index that `point` is given to move what
/// follows the tokens); `after` a tile.
template <typename AddInputs, typename AddOutputs, typename Point, typename After>
void run_one_side(const std::string& pass, const at::Tensor& x, const at::Tensor& weight,
                  const AddInputs& add_inputs, const AddOutputs& add_outputs, const Point& point,
                  const After& after, int64_t tile = tiles::kTokens) {
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
      const auto run = [&](int64_t n, int64_t tokens) {
        call.point(at_x, rows.at(task.b, task.h, n), tokens);
        call.point(at_weight, weights.at(task.b, task.h, n), tokens);
        point(call, output, task, n, tokens);
        call.run();
        after(index);
      };
      for_each_tile(task, run, tile);
    }
  });
}

void stay(TileCall&, size_t, const Task&, int64_t, int64_t) {}

int64_t task_count(const at::Tensor& x) { return Tasks(x.size(0), x.size(1), x.size(2)).count(); }

/// A task's float32 sums, moved to float64 after every tile: a channel that hardly varies adds one
/// number over and over, and float32 sums of equal terms are off by far more than random ones.
class FlushedSums {
 public:
  FlushedSums(int64_t tasks, int64_t count)
      : tile_(at::zeros({tasks, count}, at::kFloat)),
        total_(at::zeros({tasks, count}, at::kDouble)) {}
  float* tile(int64_t task) const { return tile_.data_ptr<float>() + task * tile_.size(1); }
  void flush(int64_t task) const {
    float* from = tile(task);
    double* to = total_.data_ptr<double>() + task * total_.size(1);
    for (int64_t k = 0; k < tile_.size(1); k++) {
      to[k] += from[k];
      from[k] = 0.0f;
    }
  }
  std::vector<double> total() const {
    const at::Tensor sum = total_.sum(0);
    return {sum.const_data_ptr<double>(), sum.const_data_ptr<double>() + sum.numel()};
  }

 private:
  at::Tensor tile_, total_;
};

/// Tokens whose parameter sums, m of them a channel and token, are taken in float32.
constexpr int64_t kGradTile = 8;

}  // namespace

at::Tensor power_sum(const at::Tensor& x, const MapArgs& args) {
  const PackedMap map(args, x.size(3), 0);
  const FeatureLayout& layout = map.layout();
  const FlushedSums sums(task_count(x), layout.padded);
  run_one_side(
      "power_sum_" + map.variant(), x, {},
      [&](TileCall& call) { map.add_inputs(call, Side::key, false, 0.0f); },
      [&](TileCall& call, int64_t task) {
        return call.add(sums.tile(task), {{layout.padded, 1}});
      },
      stay, [&](int64_t task) { sums.flush(task); });
  const std::vector<double> total = sums.total();
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
  const FlushedSums sums(task_count(x), map.sum_size());
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
        map.add_sums(call, sums.tile(task));
        return at_dx;
      },
      [&](TileCall& call, size_t at_dx, const Task& task, int64_t n, int64_t tokens) {
        call.point(at_dx, dx.at(task.b, task.h, n), tokens);
      },
      [&](int64_t task) { sums.flush(task); }, kGradTile);
  return {result, map.unpack(sums.total())};
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
      stay, [](int64_t) {});
  return partial.view({x.size(0), x.size(1), -1, padded}).narrow(3, 0, m).amax({2, 3});
}

}  // namespace luna::kernels::cpu
