#include "runtime/kernels/cpu/state.h"

#include <algorithm>

#include "generators/common/tiles.h"

namespace luna::kernels {

at::Tensor true_features(const at::Tensor& padded, int64_t dim, const FeatureLayout& layout) {
  return padded.narrow(dim, 0, layout.m * layout.stride)
      .unflatten(dim, {layout.m, layout.stride})
      .narrow(dim + 1, 0, layout.L);
}

namespace {

at::Tensor by_projection(const at::Tensor& t, int64_t dim, const FeatureLayout& layout) {
  return t.unflatten(dim, {layout.m, layout.L});
}

}  // namespace

void reduce_state(const float* partial, int64_t slots, const FeatureLayout& layout, int64_t dv,
                  float* S, float* z) {
  const int64_t columns = augmented_columns(dv);
  std::vector<double> sum(layout.padded);
  for (int64_t e = 0; e <= dv; e++) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (int64_t slot = 0; slot < slots; slot++) {
      const float* column = partial + (slot * columns + e) * layout.padded;
      for (int64_t f = 0; f < layout.padded; f++) {
        sum[f] += column[f];
      }
    }
    float* out = e < dv ? S + e : z;
    const int64_t stride = e < dv ? dv : 1;
    for (int64_t i = 0; i < layout.m; i++) {
      for (int64_t l = 0; l < layout.L; l++) {
        out[(i * layout.L + l) * stride] = static_cast<float>(sum[i * layout.stride + l]);
      }
    }
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
  const int64_t dv = S.size(3);
  at::Tensor columns =
      at::zeros({S.size(0), S.size(1), augmented_columns(dv), layout.padded}, S.options());
  true_features(columns.narrow(2, 0, dv), 3, layout)
      .copy_(by_projection(S.transpose(2, 3), 3, layout));
  true_features(columns.select(2, dv), 2, layout).copy_(by_projection(z, 2, layout));
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
