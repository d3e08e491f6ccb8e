#include "runtime/kernels/cpu/state.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/transpose.h"

namespace luna::kernels {

at::Tensor true_features(const at::Tensor& padded, int64_t dim, const FeatureLayout& layout) {
  return padded.narrow(dim, 0, layout.m * layout.stride)
      .unflatten(dim, {layout.m, layout.stride})
      .narrow(dim + 1, 0, layout.L);
}

namespace {

/// True features among the padded ones: `count` runs of `length`, layout.stride apart.
struct Runs {
  explicit Runs(const FeatureLayout& layout)
      : count(layout.stride == layout.L ? 1 : layout.m),
        length(count == 1 ? layout.D() : layout.L) {}
  int64_t count, length;
};

/// The first `size` of `slots` rows of floats, summed in float64.
std::vector<float> sum_slots(const float* rows, int64_t slots, int64_t stride, int64_t size) {
  std::vector<double> sum(size);
  for (int64_t slot = 0; slot < slots; slot++) {
    const float* const row = rows + slot * stride;
    for (int64_t i = 0; i < size; i++) sum[i] += row[i];
  }
  return {sum.begin(), sum.end()};
}

at::Tensor by_projection(const at::Tensor& t, int64_t dim, const FeatureLayout& layout) {
  return t.unflatten(dim, {layout.m, layout.L});
}

}  // namespace

void reduce_state(const float* partial, int64_t slots, const FeatureLayout& layout, int64_t dv,
                  float* S, float* z) {
  std::vector<float> total;
  if (slots != 1) {
    total =
        sum_slots(partial, slots, augmented_columns(dv) * layout.padded, (dv + 1) * layout.padded);
    partial = total.data();
  }
  const Runs runs(layout);
  for (int64_t i = 0; i < runs.count; i++) {
    const float* const run = partial + i * layout.stride;
    transpose({const_cast<float*>(run), runs.length, 1, dv, layout.padded},
              S + i * runs.length * dv, dv);
    std::copy_n(run + dv * layout.padded, runs.length, z + i * runs.length);
  }
}

at::Tensor state_rows(const at::Tensor& S, const FeatureLayout& layout) {
  const int64_t dv = S.size(3);
  const int64_t width = tiles::round_up(dv, tiles::kRowColumns);
  if (layout.D() == layout.padded && dv == width && S.is_contiguous()) {
    return S;
  }
  at::Tensor rows = at::zeros({S.size(0), S.size(1), layout.padded, width}, S.options());
  true_features(rows.narrow(3, 0, dv), 2, layout).copy_(by_projection(S, 2, layout));
  return rows;
}

at::Tensor normaliser_row(const at::Tensor& z, const FeatureLayout& layout) {
  if (layout.D() == layout.padded && z.is_contiguous()) {
    return z;
  }
  at::Tensor row = at::zeros({z.size(0), z.size(1), layout.padded}, z.options());
  true_features(row, 2, layout).copy_(by_projection(z, 2, layout));
  return row;
}

at::Tensor state_columns(const at::Tensor& S, const at::Tensor& z, const FeatureLayout& layout) {
  const int64_t dv = S.size(3), D = layout.D(), padded = layout.padded;
  const at::Tensor rows = S.contiguous(), row = z.contiguous();
  const at::Tensor columns =
      at::zeros({S.size(0), S.size(1), augmented_columns(dv), padded}, S.options());
  const Runs runs(layout);
  at::parallel_for(0, S.size(0) * S.size(1), 1, [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; head++) {
      float* const own = columns.data_ptr<float>() + head * columns.size(2) * padded;
      for (int64_t i = 0; i < runs.count; i++) {
        const int64_t first = head * D + i * runs.length;
        float* const run = own + i * layout.stride;
        transpose({rows.data_ptr<float>() + first * dv, dv, 1, runs.length, dv}, run, padded);
        std::copy_n(row.const_data_ptr<float>() + first, runs.length, run + dv * padded);
      }
    }
  });
  return columns;
}

at::Tensor sum_tasks(const at::Tensor& partial, int64_t B, int64_t heads) {
  const int64_t tasks = partial.size(0), count = partial.size(1);
  const int64_t slots = B * heads > 0 ? tasks / (B * heads) : 0;
  const at::Tensor result = at::zeros({heads, count}, at::kDouble);
  double* sums = result.data_ptr<double>();
  const float* data = partial.const_data_ptr<float>();
  for (int64_t task = 0; task < tasks; task++) {
    double* sum = sums + task / slots % heads * count;
    for (int64_t k = 0; k < count; k++) {
      sum[k] += data[task * count + k];
    }
  }
  return result;
}

}  // namespace luna::kernels
