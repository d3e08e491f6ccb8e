// Maps whose features are products of coordinates: DPFP and the second-order Taylor map.
#include <cmath>

#include "runtime/ops/maps/maps.h"

namespace luna::ops {
namespace {

at::Tensor dpfp(const at::Tensor& x, const MapContext& context) {
  const at::Tensor r = at::cat({x, -x}, -1).relu();
  std::vector<at::Tensor> blocks;
  for (int64_t shift = 1; shift <= context.option; ++shift) {
    blocks.push_back(r * r.roll(-shift, -1));  // r_i r_{i + shift}
  }
  return at::cat(blocks, -1);
}

std::string dpfp_refusal(const Inputs& in, const Spec& spec, int64_t nu) {
  const c10::SymInt most = 2 * in.q.sym_size(3) - 1;
  if (most >= nu) return "";
  return c10::str("feature_map \"", spec.feature_map, "\" takes nu up to 2d - 1 = ", most,
                  " at d = ", in.q.sym_size(3));
}

at::Tensor taylor2(const at::Tensor& x, const MapContext&) {
  const int64_t d = x.size(-1);
  const at::Tensor xs = x * std::pow(static_cast<double>(d), -0.25);
  const at::Tensor pairs =
      at::triu_indices(d, d, 1, x.options().dtype(at::kLong).requires_grad(false));
  const auto coordinates = [&](int64_t side) { return xs.index_select(-1, pairs[side]); };
  return at::cat({at::ones_like(xs.narrow(-1, 0, 1)), xs, xs.square() * std::sqrt(0.5),
                  coordinates(0) * coordinates(1)},
                 -1);
}

}  // namespace

FixedMap dpfp_map() {
  FixedMap map{"dpfp",
               "phi(x) = [r_i r_{(i+1) mod 2d}, ..., r_i r_{(i+nu) mod 2d}], r = relu([x, -x]); "
               "nu = 1 where it is not named",
               "DPFP-nu, Schlag 2021", "2 d nu",
               [](const c10::SymInt& d, const c10::SymInt&, int64_t nu) { return 2 * d * nu; }};
  map.option.number = "nu";
  map.option.unset = 1;  // the default of the listing in the paper's appendix
  map.option.example = 3;
  map.map = dpfp;
  map.fold = [](int64_t d, const MapContext& context) {
    kernels::MapArgs args;
    args.map = "dpfp";
    args.blocks = context.option;
    args.block_features = 2 * d;
    args.scalars = {static_cast<int32_t>(context.option)};
    return args;
  };
  map.refusal = dpfp_refusal;
  return map;
}

FixedMap taylor2_map() {
  FixedMap map{
      "taylor2",
      "phi(x) = [1, xs_i, xs_i^2/sqrt(2), xs_i xs_j (i < j)], xs = d^-1/4 x: "
      "phi(q) phi(k) = 1 + s + s^2/2, s = q k/sqrt(d)",
      "Based, Arora 2024", "1 + d + d(d+1)/2",
      [](const c10::SymInt& d, const c10::SymInt&, int64_t) { return 1 + d + d * (d + 1) / 2; }};
  map.map = taylor2;
  map.fold = [](int64_t d, const MapContext&) {
    const double root = std::sqrt(static_cast<double>(d));
    kernels::MapArgs args;
    args.map = "taylor2";
    args.blocks = 1;
    args.block_features = 1 + d + d * (d + 1) / 2;
    args.scalars = {static_cast<float>(1 / std::sqrt(root)),
                    static_cast<float>(std::sqrt(0.5) / root), static_cast<float>(1 / root)};
    return args;
  };
  return map;
}

}  // namespace luna::ops
