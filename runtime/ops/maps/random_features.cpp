// Random features of the softmax and the Gaussian kernel: exponentials (FAVOR+) or cosines and
// sines (RFF, RFA) of a drawn projection.
#include <cmath>
#include <limits>

#include "runtime/ops/maps/maps.h"
#include "runtime/ops/performer.h"

namespace luna::ops {
namespace {

enum PerformerOption { kPositive, kHyperbolic };
enum RffOption { kGaussian, kNorm };

/// sqrt of the number of rows or features.
double root(int64_t m) { return std::sqrt(static_cast<double>(m)); }

/// d^-1/4 x: the kernel of w . xs is then that of q . k / sqrt(d).
at::Tensor tempered(const at::Tensor& x) {
  return x * std::pow(static_cast<double>(x.size(-1)), -0.25);
}

at::Tensor half_square(const at::Tensor& x) { return x.square().sum(-1, true) * 0.5; }

/// M, which exponents of size [B, heads, tokens, n] are reduced by, a constant to the gradient. Of
/// a query: its largest; of keys: the largest over the unmasked tokens of the (b, h), 0 where there
/// is none; 0 where causal.
at::Tensor stabiliser(const at::Tensor& size, const MapContext& context) {
  if (size.numel() == 0) return at::zeros({1}, size.options());
  at::Tensor largest = size.detach();
  if (context.side == Side::query) return largest.amax(-1, true);
  if (context.causal) return at::zeros({1}, size.options());
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (context.key_mask) {
    const at::Tensor drop = context.key_mask->logical_not().unsqueeze(1).unsqueeze(-1);
    largest = largest.masked_fill(drop, -kInfinity);
  }
  largest = largest.amax({2, 3}, true);
  return largest.masked_fill(largest == -kInfinity, 0.0);
}

at::Tensor performer(const at::Tensor& x, const MapContext& context) {
  const at::Tensor& w = context.params[0];
  const at::Tensor xs = tempered(x);
  const at::Tensor t = at::matmul(xs, w.t());
  const at::Tensor signed_t = context.option == kHyperbolic ? at::cat({t, -t}, -1) : t;
  const at::Tensor exponent = signed_t - half_square(xs) - stabiliser(signed_t, context);
  return (exponent.exp() + kPerformerEps) / root(exponent.size(-1));
}

at::Tensor rff(const at::Tensor& x, const MapContext& context) {
  const at::Tensor& w = context.params[0];
  const at::Tensor xs = tempered(x);
  const at::Tensor t = at::matmul(xs, w.t());
  const at::Tensor waves = at::cat({t.cos(), t.sin()}, -1) / root(w.size(0));
  if (context.option == kGaussian) return waves;
  const at::Tensor exponent = half_square(xs);
  return waves * (exponent - stabiliser(exponent, context)).exp();
}

/// x / |x|, and 0, without a gradient, where |x| = 0: the root is taken of 1 there, whose
/// derivatives are finite.
at::Tensor unit(const at::Tensor& x) {
  const at::Tensor square = x.square().sum(-1, true);
  const at::Tensor zero = square == 0;
  return (x / square.masked_fill(zero, 1.0).sqrt()).masked_fill(zero, 0.0);
}

at::Tensor rfa(const at::Tensor& x, const MapContext& context) {
  const at::Tensor &w = context.params[0], &sigma = context.params[1];
  const at::Tensor t = at::matmul(unit(x), (w * sigma).t());
  return at::cat({t.sin(), t.cos()}, -1) / root(w.size(0));
}

float as_float(double x) { return static_cast<float>(x); }

/// exp(t - |xs|^2/2 - M): FAVOR+.
kernels::MapArgs fold_performer(int64_t d, const MapContext& context) {
  const at::Tensor w = context.params[0] * std::pow(static_cast<double>(d), -0.25);
  kernels::MapArgs args;
  args.map = "performer";
  args.proj = context.option == kHyperbolic ? at::cat({w, -w}) : w;
  const int64_t m = args.proj.size(0);
  args.bias = at::zeros({m}, args.proj.options());
  args.feature_eps = kPerformerEps;
  args.scalars = {as_float(0.5 / root(d)), as_float(1 / root(m)), as_float(kPerformerEps / root(m)),
                  static_cast<int32_t>(context.side == Side::query ? m : 0)};
  args.stabilised_by = kernels::Stabiliser::projection;
  return args;
}

/// Cosines and sines of w x.
kernels::MapArgs waves(const at::Tensor& w, bool sines_first) {
  const int64_t m = w.size(0);
  kernels::MapArgs args;
  args.map = "fourier";
  args.proj = at::cat({w, w});
  args.bias = at::zeros({2 * m}, w.options());
  args.scalars = {static_cast<int32_t>(m), static_cast<int32_t>(sines_first), as_float(1 / root(m)),
                  0.0f, 0.0f};
  args.stabilised_by = kernels::Stabiliser::zero;
  return args;
}

kernels::MapArgs fold_rff(int64_t d, const MapContext& context) {
  kernels::MapArgs args =
      waves(context.params[0] * std::pow(static_cast<double>(d), -0.25), /*sines_first=*/false);
  if (context.option == kNorm) {  // a query's own exponent is its M: its value does not grow
    args.stabiliser_scale = 0.5 / root(d);
    args.scalars[kernels::kFourierGrowth] = as_float(args.stabiliser_scale);
    args.scalars[kernels::kFourierGrows] =
        context.side == Side::query ? 0.0f : as_float(args.stabiliser_scale);
    args.stabilised_by = kernels::Stabiliser::square;
  }
  return args;
}

at::Tensor normal(int64_t m, int64_t d, const std::optional<at::Generator>& generator) {
  return at::randn({m, d}, generator, at::TensorOptions().dtype(at::kFloat));
}

}  // namespace

FixedMap performer_map() {
  FixedMap map{"performer",
               "phi_j(x) = m^-1/2 [exp(w_j xs - |xs|^2/2 - M) + 1e-4], xs = d^-1/4 x; hyperbolic: "
               "(2m)^-1/2 of that and of the same with -w_j; W in orthogonal blocks",
               "FAVOR+, Choromanski 2021", "m, hyperbolic 2m",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t option) {
                 return option == kHyperbolic ? 2 * m : m;
               }};
  map.option.words = {"positive", "hyperbolic"};
  map.params = [](int64_t) { return std::vector<MapParam>{{"W", "md", ParamKind::drawn}}; };
  map.map = performer;
  map.draw = [](int64_t m, int64_t d, int64_t, const std::optional<at::Generator>& generator) {
    return std::vector<at::Tensor>{performer_projection(m, d, generator)};
  };
  map.fold = fold_performer;
  map.stabilised = [](int64_t) { return true; };
  return map;
}

FixedMap rff_map() {
  FixedMap map{"rff",
               "phi(x) = m^-1/2 [cos(W xs), sin(W xs)], xs = d^-1/4 x; norm: times "
               "exp(|xs|^2/2 - M)",
               "Rahimi 2007, Choromanski 2021", "2m",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t) { return 2 * m; }};
  map.option.words = {"", "norm"};
  map.params = [](int64_t) { return std::vector<MapParam>{{"W", "md", ParamKind::drawn}}; };
  map.map = rff;
  map.draw = [](int64_t m, int64_t d, int64_t, const std::optional<at::Generator>& generator) {
    return std::vector<at::Tensor>{normal(m, d, generator)};
  };
  map.fold = fold_rff;
  map.stabilised = [](int64_t option) { return option == kNorm; };
  return map;
}

FixedMap rfa_map() {
  FixedMap map{"rfa", "phi(x) = m^-1/2 [sin(W' x/|x|), cos(W' x/|x|)], rows w'_i = sigma o w_i",
               "RFA, Peng 2021", "2m",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t) { return 2 * m; }};
  map.params = [](int64_t) {
    return std::vector<MapParam>{{"W", "md", ParamKind::drawn}, {"sigma", "d", ParamKind::trained}};
  };
  map.map = rfa;
  map.draw = [](int64_t m, int64_t d, int64_t, const std::optional<at::Generator>& generator) {
    return std::vector<at::Tensor>{normal(m, d, generator), at::ones({d}, at::kFloat)};
  };
  map.unit_rows = true;
  map.fold = [](int64_t, const MapContext& context) {
    return waves(context.params[0] * context.params[1], /*sines_first=*/true);
  };
  map.unfold = [](const kernels::MapGrads& grads, const MapContext& context) {
    const auto halves = grads.proj.chunk(2, 0);
    return std::vector<at::Tensor>{{}, ((halves[0] + halves[1]) * context.params[0]).sum(0)};
  };
  return map;
}

}  // namespace luna::ops
