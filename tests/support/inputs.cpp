#include "tests/support/inputs.h"

#include <map>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/reference.h"

namespace luna::test {
namespace {

constexpr double kKink = 1e-5;

/// A token whose features are few and small compared with the usual has a denominator, and so an
/// error, of its own size: it would decide every comparison. Distance 0 for tokens below this share
/// of the mean, 1 for others; tokens without any feature stay.
constexpr double kSmallShare = 0.2;

at::Tensor dull_distance(const at::Tensor& y) {  // y: features [B, heads, tokens, ...], >= 0
  const at::Tensor total = y.flatten(3).sum(-1);
  return (total == 0).logical_or(total > kSmallShare * total.mean()).to(at::kDouble);
}

/// f(x) of a map relu(f(x)), from the params that f is linear in.
at::Tensor before_relu(const ops::NamedMap& map, const at::Tensor& x,
                       const ops::MapContext& context, size_t first_linear) {
  ops::MapContext negative = context;
  for (size_t i = first_linear; i < negative.params.size(); ++i) {
    negative.params[i] = -negative.params[i];
  }
  return ops::map_features(map, x, context) - ops::map_features(map, x, negative);
}

/// What LUNA's map with another psi has a kink at 0 of: psi, and its hidden units or its distance
/// to its inner knots.
at::Tensor psi_kinks(const ops::NamedMap& map, const at::Tensor& x,
                     const ops::MapContext& context) {
  const std::vector<at::Tensor>& p = context.params;
  const bool spline = std::string(map->name) == "luna-spline";
  std::vector<at::Tensor> kinks{before_relu(map, x, context, p.size() - (spline ? 1 : 2))};
  at::Tensor t = (at::matmul(x, p[0].t()) + p[1]).unsqueeze(-1);
  if (spline) kinks.push_back((t - p[2].slice(0, 1, -1)).flatten(3));
  for (size_t i = 2; !spline && i + 2 < p.size(); i += 2) {
    t = i == 2 ? t * p[2] + p[3] : at::matmul(t.relu(), p[i].t()) + p[i + 1];
    kinks.push_back(t.flatten(3));
  }
  return at::cat(kinks, -1);
}

/// What a fixed map has a kink at 0 of, [B, heads, tokens, n] float64; none where it is smooth.
std::optional<at::Tensor> kinked(const ops::NamedMap& map, const at::Tensor& x,
                                 const ops::MapContext& context) {
  const std::string name = map->name;
  if (name == "t2r") return before_relu(map, x, context, 0);
  if (map->table) return psi_kinks(map, x, context);
  if (name == "cosformer" || name == "dpfp" || name == "polaformer" || map->elementwise()) return x;
  return std::nullopt;
}

at::Tensor fixed_kink_distance(const at::Tensor& x, const ops::Inputs& in, const ops::Spec& spec) {
  const ops::NamedMap map = ops::find_fixed_map(spec.feature_map);
  ops::MapContext context;
  for (const at::Tensor& p : in.params) context.params.push_back(p.to(at::kDouble));
  context.option = map.option;
  context.length = x.size(2);
  const std::optional<at::Tensor> arguments = kinked(map, x, context);
  if (!arguments) return at::ones({x.size(0), x.size(1), x.size(2)}, x.options());
  return arguments->abs().amin(-1).minimum(dull_distance(ops::map_features(map, x, context)));
}

/// Distance of every token of x [B, heads, tokens, d] to the nearest kink of the map, float64.
at::Tensor kink_distance(const at::Tensor& x, const ops::Inputs& in, const ops::Spec& spec) {
  const at::Tensor xd = x.to(at::kDouble);
  if (!spec.learned()) return fixed_kink_distance(xd, in, spec);
  const auto param = [&](int i) { return in.params[i].to(at::kDouble); };
  at::Tensor t = at::matmul(xd, param(ops::kProjWeight).t()) + param(ops::kProjBias);
  const at::Tensor flat = t.unsqueeze(-1) * param(ops::kW1).flatten() + param(ops::kB1).flatten();
  at::Tensor distance = at::ones({x.size(0), x.size(1), x.size(2)}, xd.options());
  const bool at_zero = spec.activation == "relu" || spec.activation == "leaky_relu";
  if (at_zero || spec.activation == "hardtanh") {
    // A unit with w1 = 0 is constant: no t is near its kink.
    const at::Tensor constant = param(ops::kW1).flatten() == 0;
    const at::Tensor to_kink = at_zero ? flat.abs() : (flat.abs() - 1).abs();
    distance = to_kink.masked_fill(constant, 1.0).flatten(3).amin(-1);
  }
  if (!spec.nonneg) return distance;
  const at::Tensor act = ops::activate(flat, spec.activation);
  const at::Tensor w2 = param(ops::kW2);
  const at::Tensor y = (in.params[ops::kW1].dim() == 1
                            ? at::matmul(act, w2.t())
                            : (act.unflatten(-1, {w2.size(0), w2.size(1)}) * w2).sum(-1)) +
                       param(ops::kB2);
  return distance.minimum(y.abs().flatten(3).amin(-1)).minimum(dull_distance(y.relu()));
}

/// Standard normal tokens, moved to where the map's denominator is far from zero.
at::Tensor usual_tokens(const at::Tensor& normal, const ops::Spec& spec) {
  const auto d = static_cast<double>(normal.size(-1));
  const std::string name = spec.feature_map.substr(0, spec.feature_map.find(':'));
  // exp(-|x|^2/2) of a standard normal token underflows at large d: such tokens are made shorter.
  if (spec.envelope == "exp") return normal * (1.5 / std::sqrt(d));
  if (name == "identity") return normal.abs();
  if (name == "rff") return normal * (0.3 * std::pow(d, -0.25));  // cos(w (q - k)) > 0 mostly
  if (name == "rfa") return normal * 0.3 + 1.0;                   // likewise, of unit vectors
  return normal;
}

at::Tensor draw_tokens(int64_t B, int64_t heads, int64_t tokens, int64_t d, const ops::Inputs& in,
                       const ops::Spec& spec) {
  const auto fresh = [&] { return usual_tokens(at::randn({B, heads, tokens, d}), spec); };
  at::Tensor x = fresh();
  if (x.numel() == 0) return x;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const at::Tensor close = kink_distance(x, in, spec) < kKink;
    if (!close.any().item<bool>()) return x;
    x = at::where(close.unsqueeze(-1), fresh(), x);
  }
  TORCH_CHECK(false, "no inputs away from every kink: a kink holds for every input");
}

/// Of LUNA's map with another psi, of the case's sizes: layers of different widths from hid on,
/// hid + 1 knots, not equally spaced.
std::vector<at::Tensor> draw_psi_params(const Case& c) {
  const Shape& s = c.shape;
  constexpr int64_t kWidest = 40;
  const std::map<char, int64_t> sizes{{'m', s.m}, {'d', s.d}, {'L', s.L}, {'K', s.hid + 1}};
  std::vector<at::Tensor> params;
  for (const ops::MapParam& row : ops::find_fixed_map(c.spec.feature_map).params()) {
    std::vector<int64_t> shape;
    for (const char* letter = row.letters; *letter; ++letter) {
      shape.push_back(std::isdigit(*letter) ? std::min(s.hid, kWidest) + *letter - '1'
                                            : sizes.at(*letter));
    }
    at::Tensor x = at::randn(shape);
    if (shape.size() == 2) x = x / std::sqrt(static_cast<double>(shape[1]));
    // Slopes of order 1, as a network's: a saw of 100 teeth would show the rounding of t itself.
    if (std::string(row.name) == "values") x = at::randn(shape).cumsum(1) * (4.0 / shape[1]) + 0.3;
    if (row.kind == ops::ParamKind::given) {
      x = at::linspace(-2, 2, shape[0]) + at::rand(shape) * (1.0 / static_cast<double>(shape[0]));
    }
    params.push_back(x);
  }
  return params;
}

/// A fixed map's initial params, the trained ones moved away from their special values.
std::vector<at::Tensor> draw_fixed_params(const Case& c) {
  if (ops::find_fixed_map(c.spec.feature_map)->table) return draw_psi_params(c);
  const auto& rows = ops::find_fixed_map(c.spec.feature_map).params();
  std::vector<at::Tensor> params = draw_feature_map(c.spec.feature_map, c.shape.m, c.shape.d);
  for (size_t i = 0; i < params.size(); ++i) {
    if (rows[i].kind == ops::ParamKind::drawn) continue;
    const std::vector<int64_t> shared = params[i].sizes().vec();
    if (c.per_head && rows[i].heads == ops::ParamHeads::any) {
      params[i] = params[i].unsqueeze(0).repeat_interleave(c.shape.Hk, 0);
    }
    const double spread = shared.size() > 1 ? 0.3 / std::sqrt(static_cast<double>(shared[1])) : 0.3;
    params[i] = params[i] + at::randn_like(params[i]) * spread;
  }
  return params;
}

std::vector<at::Tensor> draw_params(const Case& c) {
  const Shape& s = c.shape;
  if (!c.spec.learned()) return draw_fixed_params(c);
  const std::vector<int64_t> units =
      c.separate ? std::vector<int64_t>{s.L, s.hid} : std::vector<int64_t>{s.hid};
  // Signed features: an offset keeps most of them positive, and so the denominator away from zero.
  const double offset = c.spec.nonneg ? 0.0 : 2.0;
  return {at::randn({s.m, s.d}) / std::sqrt(static_cast<double>(s.d)),
          at::randn({s.m}) * 0.3,
          at::randn(units),
          at::randn(units),
          at::randn({s.L, s.hid}) / std::sqrt(static_cast<double>(s.hid)),
          at::randn({s.L}) * 0.3 + offset};
}

std::optional<at::Tensor> draw_mask(const Case& c) {
  const Shape& s = c.shape;
  if (c.mask == MaskKind::none) return {};
  if (c.mask == MaskKind::random) return at::rand({s.B, s.N}) < 0.7;
  at::Tensor mask = at::ones({s.B, s.N}, at::kBool);
  if (c.mask == MaskKind::drop_one_batch && s.B > 0) mask.select(0, 0).fill_(false);
  return mask;
}

}  // namespace

at::Tensor lay_out(const at::Tensor& x, Layout layout) {
  switch (layout) {
    case Layout::tokens_first:
      return x.transpose(1, 2).contiguous().transpose(1, 2);
    case Layout::sliced: {
      at::Tensor wide =
          at::zeros({x.size(0), x.size(1), x.size(2) + 2, x.size(3) + 3}, x.options());
      at::Tensor view = wide.narrow(2, 1, x.size(2)).narrow(3, 1, x.size(3));
      return view.copy_(x);
    }
    case Layout::expanded:
      return x.narrow(1, 0, 1).contiguous().expand_as(x);
    case Layout::last_stride:
      return x.transpose(2, 3).contiguous().transpose(2, 3);
    case Layout::contiguous:
      break;
  }
  return x.contiguous();
}

void redraw_tokens(const Case& c, ops::Inputs& in) {
  const Shape& s = c.shape;
  in.q = lay_out(draw_tokens(s.B, s.H, s.Nq, s.d, in, c.spec), c.layout);
  in.k = lay_out(draw_tokens(s.B, s.Hk, s.N, s.d, in, c.spec), c.layout);
}

ops::Inputs make_inputs(const Case& c) {
  at::manual_seed(c.seed);
  const Shape& s = c.shape;
  ops::Inputs in;
  in.params = draw_params(c);
  in.key_mask = draw_mask(c);
  if (!c.begins.empty()) in.cu_seqlens = at::tensor(c.begins).to(at::kInt);
  redraw_tokens(c, in);
  in.v = lay_out(at::randn({s.B, s.Hk, s.N, s.dv}), c.layout);
  return in;
}

at::Tensor make_grad(const Case& c) {
  const Shape& s = c.shape;
  at::manual_seed(c.seed + 1);
  if (c.expanded_grad) return at::randn({1, 1, 1, 1}).expand({s.B, s.H, s.Nq, s.dv});
  return at::randn({s.B, s.H, s.Nq, s.dv});
}

}  // namespace luna::test
