// PolaFormer's polarity-aware map: positive and negative parts apart, each raised to a learned
// power. phi(q) meets phi(k) as it is for the first half of v's columns (same polarity) and with
// its halves exchanged for the second (opposite polarity).
#include "runtime/ops/maps/maps.h"

namespace luna::ops {
namespace {

/// max(x, 0)^p, whose derivatives by x and by p (x^p ln x) are 0 where x <= 0; a NaN stays.
at::Tensor power_of_positive(const at::Tensor& x, const at::Tensor& p) {
  const at::Tensor off = x <= 0;
  return x.masked_fill(off, 1.0).pow(p).masked_fill(off, 0.0);
}

constexpr double kRange = 4.0;  ///< p lies between 1 and 1 + this

at::Tensor power(const MapContext& context) { return 1 + kRange * context.params[0].sigmoid(); }

at::Tensor polaformer(const at::Tensor& x, const MapContext& context) {
  const at::Tensor p = power(context);
  return at::cat({power_of_positive(x, p), power_of_positive(-x, p)}, -1);
}

std::string polaformer_refusal(const Inputs& in, const Spec&, int64_t) {
  const c10::SymInt dv = in.v.sym_size(3);
  if (dv % 2 == 0) return "";
  return c10::str(
      "feature_map \"polaformer\" needs an even dv, whose halves it attends apart, got ", dv);
}

}  // namespace

FixedMap polaformer_map() {
  FixedMap map{"polaformer",
               "phi(x) = [max(x, 0)^p, max(-x, 0)^p], p = 1 + 4 sigmoid(power); the second half of "
               "v's columns meets phi(q) with its halves exchanged",
               "PolaFormer, Meng 2025", "2d",
               [](const c10::SymInt& d, const c10::SymInt&, int64_t) { return 2 * d; }};
  map.params = [](int64_t) { return std::vector<MapParam>{{"power", "d", ParamKind::trained}}; };
  map.columns = ValueColumns::by_polarity;
  map.map = polaformer;
  map.fold = [](int64_t d, const MapContext& context) {
    kernels::MapArgs args;
    args.map = "polaformer";
    args.blocks = 2;
    args.block_features = d;
    args.coordinates = power(context);
    args.scalars = {static_cast<int32_t>(context.exchanged)};
    return args;
  };
  map.unfold = [](const kernels::MapGrads& grads, const MapContext& context) {
    const at::Tensor s = context.params[0].sigmoid();
    return std::vector<at::Tensor>{grads.coordinates * kRange * s * (1 - s)};
  };
  map.draw = [](int64_t, int64_t d, int64_t, const std::optional<at::Generator>&) {
    return std::vector<at::Tensor>{at::zeros({d}, at::kFloat)};
  };
  map.refusal = polaformer_refusal;
  return map;
}

}  // namespace luna::ops
