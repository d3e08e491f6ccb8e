// Maps of y = W x + b with trained W and b, one pair for all heads or one a key head: T2R and
// Hedgehog.
#include <cmath>

#include "runtime/ops/maps/maps.h"

namespace luna::ops {
namespace {

using Generator = std::optional<at::Generator>;

enum HedgehogOption { kSoftmax, kExp };

std::vector<MapParam> affine_params(int64_t) {
  return {{"W", "md", ParamKind::trained, ParamHeads::any},
          {"b", "m", ParamKind::trained, ParamHeads::any}};
}

/// y [B, heads, tokens, m]; a query head takes its key head's W and b.
at::Tensor affine(const at::Tensor& x, const MapContext& context) {
  at::Tensor w = context.params[0], b = context.params[1];
  if (w.dim() == 2) return at::matmul(x, w.t()) + b;
  const int64_t group = x.size(1) / w.size(0);
  w = w.repeat_interleave(group, 0);
  b = b.repeat_interleave(group, 0);
  return at::matmul(x, w.transpose(-1, -2)) + b.unsqueeze(1);
}

at::Tensor hedgehog(const at::Tensor& x, const MapContext& context) {
  const at::Tensor y = affine(x, context);
  if (context.option == kExp) return at::cat({y, -y}, -1).exp();
  return at::cat({y.softmax(-1), (-y).softmax(-1)}, -1);
}

/// [rows, -rows] along the projections, [m, d] or [Hk, m, d] (bias: one dimension less).
at::Tensor mirrored(const at::Tensor& rows, int64_t dim) { return at::cat({rows, -rows}, dim); }

kernels::MapArgs fold_hedgehog(int64_t, const MapContext& context) {
  kernels::MapArgs args;
  args.proj = mirrored(context.params[0], -2);
  args.bias = mirrored(context.params[1], -1);
  if (context.option == kSoftmax) {
    args.map = "softmax_halves";
    args.scalars = {static_cast<int32_t>(args.proj.size(-2) / 2)};
  } else {  // FAVOR+'s exponential without a norm, a scale, or an eps
    args.map = "performer";
    args.scalars = {0.0f, 1.0f, 0.0f, 0};
    args.stabilised_by = kernels::Stabiliser::zero;
  }
  return args;
}

std::vector<at::Tensor> unfold_hedgehog(const kernels::MapGrads& grads, const MapContext&) {
  const auto halves = [](const at::Tensor& x, int64_t dim) {
    const auto parts = x.chunk(2, dim);
    return parts[0] - parts[1];
  };
  return {halves(grads.proj, -2), halves(grads.bias, -1)};
}

/// As torch's Linear begins: U(-r, r), r = 1/sqrt(d), W and b.
std::vector<at::Tensor> linear(int64_t m, int64_t d, const Generator& generator) {
  const double r = 1.0 / std::sqrt(static_cast<double>(d));
  const auto uniform = [&](at::IntArrayRef shape) {
    return at::empty(shape, at::kFloat).uniform_(-r, r, generator);
  };
  at::Tensor w = uniform({m, d});
  return {w, uniform({m})};
}

/// The identity and b = 0; rows beyond d, which the identity does not reach, as torch's Linear.
std::vector<at::Tensor> identity(int64_t m, int64_t d, int64_t, const Generator& generator) {
  at::Tensor w = at::eye(m, d, at::kFloat);
  if (m > d) w.narrow(0, d, m - d).copy_(linear(m - d, d, generator)[0]);
  return {w, at::zeros({m}, at::kFloat)};
}

}  // namespace

FixedMap t2r_map() {
  FixedMap map{"t2r", "phi(x) = relu(W x + b)", "T2R, Kasai 2021", "m",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t) { return m; }};
  map.params = affine_params;
  map.map = [](const at::Tensor& x, const MapContext& context) {
    return affine(x, context).relu();
  };
  map.draw = [](int64_t m, int64_t d, int64_t, const Generator& generator) {
    return linear(m, d, generator);
  };
  map.fold = [](int64_t, const MapContext& context) {
    kernels::MapArgs args;
    args.map = "projected_relu";
    args.proj = context.params[0];
    args.bias = context.params[1];
    return args;
  };
  map.unfold = [](const kernels::MapGrads& grads, const MapContext&) {
    return std::vector<at::Tensor>{grads.proj, grads.bias};
  };
  return map;
}

FixedMap hedgehog_map() {
  FixedMap map{"hedgehog",
               "phi(x) = [softmax(y), softmax(-y)], y = W x + b; exp: [exp(y), exp(-y)]",
               "Hedgehog, Zhang 2024 (exp is the paper's form)", "2m",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t) { return 2 * m; }};
  map.option.words = {"softmax", "exp"};
  map.params = affine_params;
  map.map = hedgehog;
  map.draw = identity;
  map.fold = fold_hedgehog;
  map.unfold = unfold_hedgehog;
  return map;
}

}  // namespace luna::ops
