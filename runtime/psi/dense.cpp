#include "runtime/psi/dense.h"

namespace luna::psi {

void Dense::fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const {
  const int64_t L = weights_.L, units = weights_.units;
  std::vector<double> w2(L * units), b2(L);
  for (int64_t u = 0; u < units; ++u) {
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      w2[l * units + u] = fold.scale[l] * weights_.w2[weights_.w2_index(l, u)];
    }
  }
  for (int64_t l = 0; l < L; ++l) b2[l] = fold.scale[l] * weights_.b2[l] + fold.shift;
  args.map = "dense_" + activation_;
  args.L = L;
  args.floor = fold.floor;
  args.w1 = to_device(weights_.w1, {units}, like);
  args.b1 = to_device(weights_.b1, {units}, like);
  args.w2 = to_device(w2, {L, units}, like);
  args.b2 = to_device(b2, {L}, like);
}

void Dense::unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const {
  const std::vector<std::vector<double>> host = to_host({grads.w1, grads.b1, grads.w2, grads.b2});
  const std::vector<double>&w1 = host[0], &b1 = host[1], &w2 = host[2], &b2 = host[3];
  for (int64_t u = 0; u < weights_.units; ++u) {
    sum.w1[u] += w1[u];
    sum.b1[u] += b1[u];
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      const int64_t index = weights_.w2_index(l, u);
      const double grad = w2[l * weights_.units + u];
      sum.w2[index] += fold.scale[l] * grad;
      sum.scale[l] +=
          weights_.w2[index] * grad;  // dpsi/dscale = psi: homogeneous in the second layer
    }
  }
  for (int64_t l = 0; l < weights_.L; ++l) {
    sum.b2[l] += fold.scale[l] * b2[l];
    sum.scale[l] += weights_.b2[l] * b2[l];
  }
}

}  // namespace luna::psi
