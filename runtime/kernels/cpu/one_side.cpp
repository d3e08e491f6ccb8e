// Passes over one side alone, for ch_rms: the second moment of every channel and its gradient.
#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/passes.h"

namespace luna::kernels::cpu {
namespace {

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
  at::Tensor total() const { return total_.sum(0); }

 private:
  at::Tensor tile_, total_;
};

/// Tokens whose parameter sums, m of them a channel and token, are taken in float32.
constexpr int64_t kGradTokens = 8;

}  // namespace

at::Tensor power_sum(const at::Tensor& x, const MapArgs& args) {
  const PackedMap map(args, x.size(3));
  const FeatureLayout& layout = map.layout();
  const Tasks tasks = tasks_of(x);
  const int64_t tile = tile_tokens(layout.padded);
  const FlushedSums sums(tasks.count(), layout.padded);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles tiles(map, x, {}, tile);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      tiles.start(task, 0);
      for_each_tile(task, tile, [&](int64_t n, int64_t tokens) {
        tiles.compute(n, tokens);
        add_squares(tiles.phi(), sums.tile(index));
        sums.flush(index);
      });
    }
  });
  const at::Tensor sum = sums.total();
  const double* total = sum.const_data_ptr<double>();
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
  const PackedMap map(args, x.size(3));
  const FeatureLayout& layout = map.layout();
  const at::Tensor features = at::zeros({layout.padded}, at::kFloat);
  true_features(features, 0, layout).copy_(coefficient.expand({layout.m, layout.L}));
  const Tasks tasks = tasks_of(x);
  const FlushedSums sums(tasks.count(), map.sum_size());
  at::Tensor result = at::empty_like(x);
  const TokenRows dx(result);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles tiles(map, x, {}, kGradTokens);
    const Tile dphi(layout.padded, kGradTokens);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      tiles.start_gradient(task, 0, sums.tile(index));
      for_each_tile(task, kGradTokens, [&](int64_t n, int64_t tokens) {
        tiles.compute(n, tokens);
        weigh(tiles.phi(), features.const_data_ptr<float>(), dphi.matrix(tiles.padded()));
        tiles.gradient(dphi, dx);
        sums.flush(index);
      });
    }
  });
  return {result, map.unpack(sums.total().unsqueeze(0))};
}

}  // namespace luna::kernels::cpu
