#include "experiments/bench/selftest_inputs.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"

namespace luna::bench {
namespace {

std::vector<at::Tensor> draw_params(const ops::Spec& spec, const Configuration& c,
                                    const at::Generator& generator) {
  std::vector<at::Tensor> params;
  if (!spec.learned()) {
    params = draw_feature_map(spec.feature_map, c.m, c.d, generator);
    const std::vector<ops::MapParam> rows = ops::find_fixed_map(spec.feature_map).params();
    for (size_t i = 0; i < params.size(); ++i) {
      params[i].set_requires_grad(rows[i].kind == ops::ParamKind::trained);
    }
    return params;
  }
  const auto normal = [&](at::IntArrayRef shape, double scale) {
    return at::randn(shape, generator).mul_(scale).set_requires_grad(true);
  };
  const double d = 1 / std::sqrt(static_cast<double>(c.d)),
               hid = 1 / std::sqrt(static_cast<double>(c.hid));
  return {normal({c.m, c.d}, d), normal({c.m}, 0.3),        normal({c.hid}, 1),
          normal({c.hid}, 1),    normal({c.L, c.hid}, hid), normal({c.L}, 0.3)};
}

}  // namespace

Inputs draw(const ops::Spec& spec, const Configuration& c, uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  Inputs in;
  in.causal = spec.causal;
  const int64_t queries = spec.causal ? c.N : c.Nq;
  in.q = usual_tokens(spec.feature_map, at::randn({c.B, c.H, queries, c.d}, generator));
  in.k = usual_tokens(spec.feature_map, at::randn({c.B, c.Hk, c.N, c.d}, generator));
  in.v = at::randn({c.B, c.Hk, c.N, c.dv}, generator);
  in.params = draw_params(spec, c, generator);
  return in.want_gradients();
}

}  // namespace luna::bench
