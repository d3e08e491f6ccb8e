#include "runtime/kernels/cpu/running_state.h"

#include <algorithm>

#include "runtime/kernels/cpu/transpose.h"

namespace luna::kernels {

TaskStates::TaskStates(int64_t tasks, const FeatureLayout& layout, int64_t dv)
    : layout_(layout),
      dv_(dv),
      columns_(augmented_columns(dv)),
      memory_(at::zeros({tasks, columns_, layout.padded}, at::kFloat)) {}

Matrix TaskStates::of(int64_t task) const {
  return {memory_.data_ptr<float>() + task * columns_ * layout_.padded, layout_.padded, 1, columns_,
          layout_.padded};
}

void TaskStates::reduce(at::Tensor& S, at::Tensor& z) const {
  const int64_t heads = S.size(0) * S.size(1), D = S.size(2);
  const int64_t slots = heads ? memory_.size(0) / heads : 0;
  at::parallel_for(0, heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; head++) {
      reduce_state(of(head * slots).data, slots, layout_, dv_, S.data_ptr<float>() + head * D * dv_,
                   z.data_ptr<float>() + head * D);
    }
  });
}

void TaskStates::sum_others(int64_t slots, bool reverse) {
  const int64_t size = columns_ * layout_.padded, heads = memory_.size(0) / slots;
  at::parallel_for(0, heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> sum(size);
    for (int64_t head = begin; head < end; head++) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t k = 0; k < slots; k++) {
        float* state = of(head * slots + (reverse ? slots - 1 - k : k)).data;
        for (int64_t i = 0; i < size; i++) {
          const float own = state[i];
          state[i] = static_cast<float>(sum[i]);
          sum[i] += own;
        }
      }
    }
  });
}

RunningState::RunningState(const FeatureLayout& layout, int64_t dv)
    : layout_(layout),
      dv_(dv),
      columns_(at::zeros({augmented_columns(dv), layout.padded}, at::kFloat)),
      rows_(at::zeros({layout.padded, tiles::round_up(dv, tiles::kRowColumns)}, at::kFloat)) {}

void RunningState::start(const Matrix& state) const {
  std::copy_n(state.data, columns_.numel(), columns_.data_ptr<float>());
  transpose(columns().first1(dv_), rows_.data_ptr<float>(), rows_.size(1));
}

void RunningState::clear() const {
  columns_.zero_();
  rows_.zero_();
}

Matrix RunningState::columns() const {
  return {columns_.data_ptr<float>(), layout_.padded, 1, columns_.size(0), layout_.padded};
}

Matrix RunningState::rows() const {
  return {rows_.data_ptr<float>(), rows_.size(1), 1, layout_.padded, rows_.size(1)};
}

void RunningState::copy_to(const Matrix& state) const {
  const Matrix own = rows();
  transpose({own.data, dv_, 1, own.extent1, own.stride1}, state.data, state.stride1);
  std::copy_n(columns().part1(dv_, 1).data, layout_.padded, state.part1(dv_, 1).data);
}

void RunningState::store(float* S, float* z) const {
  const at::Tensor normaliser = columns_[dv_];
  const auto copy = [&](const at::Tensor& padded, float* to, int64_t width) {
    at::from_blob(to, {layout_.m, layout_.L, width}, at::kFloat)
        .copy_(true_features(padded, 0, layout_));
  };
  copy(rows_.narrow(1, 0, dv_), S, dv_);
  copy(normaliser.unsqueeze(1), z, 1);
}

}  // namespace luna::kernels
