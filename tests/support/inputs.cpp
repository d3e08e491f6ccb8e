#include "tests/support/inputs.h"

#include <torch/csrc/autograd/autograd.h>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/performer.h"
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

/// Distance of every token of x [B, heads, tokens, d] to the nearest kink of the map, float64.
at::Tensor kink_distance(const at::Tensor& x, const ops::Inputs& in, const ops::Spec& spec) {
  const at::Tensor xd = x.to(at::kDouble);
  if (const auto* map = ops::find_fixed_map(spec.feature_map); map && map->elementwise()) {
    return xd.abs().amin(-1).minimum(dull_distance(map->phi(xd)));  // a kink, if any, is at 0
  }
  const at::Tensor far = at::ones({x.size(0), x.size(1), x.size(2)}, xd.options());
  if (!spec.learned()) return far;
  const auto param = [&](int i) { return in.params[i].to(at::kDouble); };
  at::Tensor t = at::matmul(xd, param(ops::kProjWeight).t()) + param(ops::kProjBias);
  const at::Tensor flat = t.unsqueeze(-1) * param(ops::kW1).flatten() + param(ops::kB1).flatten();
  at::Tensor distance = far;
  if (spec.activation == "relu") {  // a unit with w1 = 0 is constant: no t is near its kink
    const at::Tensor constant = param(ops::kW1).flatten() == 0;
    distance = flat.abs().masked_fill(constant, 1.0).flatten(3).amin(-1);
  }
  if (!spec.nonneg) return distance;
  const at::Tensor act = spec.activation == "relu"   ? flat.relu()
                         : spec.activation == "gelu" ? at::gelu(flat)
                                                     : at::silu(flat);
  const at::Tensor w2 = param(ops::kW2);
  const at::Tensor y = (in.params[ops::kW1].dim() == 1
                            ? at::matmul(act, w2.t())
                            : (act.unflatten(-1, {w2.size(0), w2.size(1)}) * w2).sum(-1)) +
                       param(ops::kB2);
  return distance.minimum(y.abs().flatten(3).amin(-1)).minimum(dull_distance(y.relu()));
}

at::Tensor draw_tokens(int64_t B, int64_t heads, int64_t tokens, int64_t d, const ops::Inputs& in,
                       const ops::Spec& spec) {
  // exp(-|x|^2/2) of a standard normal token underflows at large d: such tokens are made shorter.
  const double scale = spec.envelope == "exp" ? 1.5 / std::sqrt(static_cast<double>(d)) : 1.0;
  at::Tensor x = at::randn({B, heads, tokens, d}) * scale;
  if (x.numel() == 0) return x;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const at::Tensor close = kink_distance(x, in, spec) < kKink;
    if (!close.any().item<bool>()) return x;
    x = at::where(close.unsqueeze(-1), at::randn_like(x) * scale, x);
  }
  TORCH_CHECK(false, "no inputs away from every kink: a kink holds for every input");
}

std::vector<at::Tensor> draw_params(const Case& c) {
  const Shape& s = c.shape;
  if (c.spec.feature_map == "performer") return {ops::performer_projection(s.m, s.d, {})};
  if (!c.spec.learned()) return {};
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
      at::Tensor wide = at::zeros({x.size(0), x.size(1), x.size(2) + 2, x.size(3) + 3});
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

ops::Inputs move_to(const ops::Inputs& inputs, c10::Device device) {
  ops::Inputs out = inputs;
  for (at::Tensor* x : {&out.q, &out.k, &out.v}) *x = x->to(device);
  for (at::Tensor& parameter : out.params) parameter = parameter.to(device);
  if (out.key_mask) out.key_mask = out.key_mask->to(device);
  return out;
}

c10::Device fused_device() {
  const char* name = std::getenv("LUNA_TEST_DEVICE");
  return name && *name ? c10::Device(std::string(name)) : c10::Device(c10::kCPU);
}

at::Tensor run_forward(const ops::Inputs& in, const ops::Spec& spec, Through through) {
  if (through == Through::fused && in.q.is_cpu() && !fused_device().is_cpu()) {
    return run_forward(move_to(in, fused_device()), spec, through).to(c10::kCPU);
  }
  if (through == Through::reference) return ops::reference_attention(in, spec);
  if (through == Through::numerator) {
    const auto [numerator, denominator] = ops::reference_quotient(in, spec);
    return numerator / denominator.detach();
  }
  AttentionOptions common;
  common.causal = spec.causal;
  common.key_mask = in.key_mask;
  common.denominator = spec.denominator;
  common.eps = spec.eps;
  if (!spec.learned())
    return fixed_attention(in.q, in.k, in.v, spec.feature_map, in.params, common);
  LunaOptions options;
  static_cast<AttentionOptions&>(options) = common;
  options.activation = spec.activation;
  options.nonneg = spec.nonneg;
  options.envelope = spec.envelope;
  options.ch_rms_target = spec.ch_rms_target;
  options.psi = spec.psi;
  options.feature_eps = spec.feature_eps;
  const auto& p = in.params;
  return luna_attention(in.q, in.k, in.v, {p[0], p[1], p[2], p[3], p[4], p[5]}, options);
}

Result run(const ops::Inputs& inputs, const ops::Spec& spec, const at::Tensor& grad,
           Through through, at::ScalarType dtype) {
  const auto leaf = [&](const at::Tensor& x) { return x.detach().to(dtype).requires_grad_(true); };
  ops::Inputs in{leaf(inputs.q), leaf(inputs.k), leaf(inputs.v), {}, inputs.key_mask};
  Result result{{"out", "dq", "dk", "dv"}, {}};
  torch::autograd::variable_list leaves{in.q, in.k, in.v};
  static const char* const kNames[] = {"dproj_weight", "dproj_bias", "dw1", "db1", "dw2", "db2"};
  for (size_t i = 0; i < inputs.params.size(); ++i) {
    in.params.push_back(spec.learned() ? leaf(inputs.params[i]) : inputs.params[i].to(dtype));
    if (!spec.learned()) continue;
    leaves.push_back(in.params.back());
    result.names.push_back(kNames[i]);
  }
  const at::Tensor out = run_forward(in, spec, through);
  result.tensors =
      torch::autograd::grad({out}, leaves, {grad.to(dtype)}, {}, false, /*allow_unused=*/true);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!result.tensors[i].defined()) result.tensors[i] = at::zeros_like(leaves[i]);
  }
  result.tensors.insert(result.tensors.begin(), out.detach());
  return result;
}

}  // namespace luna::test
