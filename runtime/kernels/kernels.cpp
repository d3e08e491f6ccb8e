// The passes in plain ATen, phi materialised, float64 inside.
#include "runtime/kernels/kernels.h"

#include <torch/torch.h>

#include "runtime/ops/layout.h"

namespace luna::kernels {
namespace {

struct Leaves {
  at::Tensor proj, bias, table, w1, b1, w2, b2;
  explicit Leaves(const MapArgs& a) {
    auto d = [](const at::Tensor& x) { return x.defined() ? x.detach().to(at::kDouble).requires_grad_(true) : x; };
    proj = d(a.proj), bias = d(a.bias), table = d(a.table), w1 = d(a.w1), b1 = d(a.b1), w2 = d(a.w2), b2 = d(a.b2);
  }
};

at::Tensor phi(const at::Tensor& x, const MapArgs& a, const Leaves& p, bool query) {
  if (a.map == "elu") return at::where(x > 0, x + 1, x.clamp_max(0).exp());
  if (a.map == "relu") return x.relu();
  at::Tensor t = at::matmul(x, p.proj.t()) + p.bias;  // [B, H, N, m]
  if (a.map == "performer") {
    const double d = x.size(-1), m = t.size(-1);
    at::Tensor M = query ? std::get<0>(t.detach().max(-1, true))
                         : a.stabiliser.to(at::kDouble).unsqueeze(-1).unsqueeze(-1);
    return ((t - x.square().sum(-1, true) * (0.5 / std::sqrt(d)) - M).exp() + a.feature_eps) / std::sqrt(m);
  }
  at::Tensor y;
  if (a.map == "pwl") {
    at::Tensor seg = at::searchsorted(a.knots, t.detach().to(at::kFloat).contiguous(), false, true);
    at::Tensor row = p.table.index_select(0, seg.reshape(-1)).reshape(
        {t.size(0), t.size(1), t.size(2), t.size(3), 2, a.L});
    y = row.select(-2, 0) * t.unsqueeze(-1) + row.select(-2, 1);
  } else {
    at::Tensor pre = t.unsqueeze(-1) * p.w1 + p.b1;
    at::Tensor act = a.map == "dense_relu" ? pre.relu() : a.map == "dense_gelu" ? at::gelu(pre) : at::silu(pre);
    y = at::matmul(act, p.w2.t()) + p.b2;
  }
  if (std::isfinite(a.floor)) y = (y - a.floor).relu() + a.floor;
  return y.reshape({t.size(0), t.size(1), t.size(2), t.size(3) * a.L});
}

at::Tensor weighted(at::Tensor phi, const at::Tensor& w) {
  if (!w.defined()) return phi;
  return at::where((w == 0).unsqueeze(-1), at::zeros({}, phi.options()), phi * w.unsqueeze(-1));
}

struct Graph {
  at::Tensor q, k, v, qw, kw, o, den, S, z;
  Leaves ql, kl;
  explicit Graph(const Problem& pr) : ql(pr.q_map), kl(pr.k_map) {
    auto d = [](const at::Tensor& x) { return x.defined() ? x.detach().to(at::kDouble).requires_grad_(true) : x; };
    q = d(pr.q), k = d(pr.k), v = d(pr.v), qw = d(pr.q_weight), kw = d(pr.k_weight);
    at::Tensor pk = weighted(phi(k, pr.k_map, kl, false), kw);
    at::Tensor pq = weighted(phi(q, pr.q_map, ql, true), qw);
    at::Tensor vv = pr.k_weight.defined()
                        ? at::where((pr.k_weight == 0).unsqueeze(-1), at::zeros({}, v.options()), v) : v;
    S = at::matmul(pk.transpose(-1, -2), vv);
    z = pk.sum(2);
    const int64_t G = q.size(1) / k.size(1);
    at::Tensor Sg = S.repeat_interleave(G, 1), zg = z.repeat_interleave(G, 1);
    den = at::matmul(pq, zg.unsqueeze(-1)).squeeze(-1);
    at::Tensor r = den + pr.denominator.add;
    if (std::isfinite(pr.denominator.clamp)) r = r.clamp_min(pr.denominator.clamp);
    o = at::matmul(pq, Sg) / r.unsqueeze(-1);
  }
};

MapGrads collect(const MapArgs& a, const Leaves& p) {
  MapGrads g;
  auto f = [](const at::Tensor& x) { return x.defined() ? (x.grad().defined() ? x.grad() : at::zeros_like(x)).to(at::kFloat) : at::Tensor(); };
  g.proj = f(p.proj), g.bias = f(p.bias), g.w1 = f(p.w1), g.b1 = f(p.b1), g.w2 = f(p.w2), g.b2 = f(p.b2);
  if (p.table.defined()) {
    at::Tensor t = p.table.grad().defined() ? p.table.grad() : at::zeros_like(p.table);
    g.g1 = t.select(1, 0).contiguous();
    g.g0 = t.select(1, 1).contiguous();
  }
  return g;
}

}  // namespace

Forward forward(const Problem& problem) {
  c10::impl::ForceDispatchKeyGuard keys{c10::default_included_set, c10::default_excluded_set};
  at::NoGradGuard no_grad;
  Graph g(problem);
  at::Tensor o = ops::empty_output(problem.q, problem.v.size(3));
  o.copy_(g.o);
  return {o, g.den.to(at::kFloat), g.S.to(at::kFloat), g.z.to(at::kFloat)};
}

Backward backward(const Problem& problem, const Forward&, const at::Tensor& grad, const Wanted& w) {
  c10::impl::ForceDispatchKeyGuard keys{c10::default_included_set, c10::default_excluded_set};
  at::AutoGradMode mode(true);
  Graph g(problem);
  g.o.backward(grad.to(at::kDouble));
  auto like = [](const at::Tensor& x, const at::Tensor& leaf) {
    at::NoGradGuard ng;
    at::Tensor out = at::empty_like(x.detach());
    if (leaf.grad().defined()) out.copy_(leaf.grad()); else out.zero_();
    return out;
  };
  Backward b;
  if (w.q) b.q = like(problem.q, g.q);
  if (w.k) b.k = like(problem.k, g.k);
  if (w.v) b.v = like(problem.v, g.v);
  if (w.q_weight) b.q_weight = like(problem.q_weight, g.qw);
  if (w.k_weight) b.k_weight = like(problem.k_weight, g.kw);
  if (w.params) { b.q_map = collect(problem.q_map, g.ql); b.k_map = collect(problem.k_map, g.kl); }
  return b;
}

at::Tensor power_sum(const at::Tensor& x, const MapArgs& map) {
  c10::impl::ForceDispatchKeyGuard keys{c10::default_included_set, c10::default_excluded_set};
  at::NoGradGuard no_grad;
  Leaves l(map);
  return phi(x.to(at::kDouble), map, l, true).square().reshape({-1, map.L}).sum(0);
}

std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map, const at::Tensor& c) {
  c10::impl::ForceDispatchKeyGuard keys{c10::default_included_set, c10::default_excluded_set};
  at::AutoGradMode mode(true);
  Leaves l(map);
  at::Tensor xd = x.detach().to(at::kDouble).requires_grad_(true);
  at::Tensor p = phi(xd, map, l, true).square().reshape({-1, map.L}).sum(0);
  (p * c.to(at::kDouble) / 2).sum().backward();
  at::NoGradGuard ng;
  at::Tensor dx = at::empty_like(x.detach());
  dx.copy_(xd.grad());
  return {dx, collect(map, l)};
}

at::Tensor key_maximum(const at::Tensor& x, const MapArgs& map, const at::Tensor& weight) {
  c10::impl::ForceDispatchKeyGuard keys{c10::default_included_set, c10::default_excluded_set};
  at::NoGradGuard no_grad;
  if (x.size(2) == 0) return at::full({x.size(0), x.size(1)}, -std::numeric_limits<float>::infinity(), x.options());
  at::Tensor t = at::matmul(x, map.proj.t()) + map.bias;
  if (weight.defined()) t = t.masked_fill((weight == 0).unsqueeze(-1), -std::numeric_limits<float>::infinity());
  return t.flatten(2).amax(-1);
}

}  // namespace luna::kernels
