#include "runtime/ops/reference.h"

#include "runtime/ops/ch_rms.h"
#include "runtime/ops/fixed_maps.h"

namespace luna::ops {
namespace {

at::Tensor activate(const at::Tensor& x, const std::string& activation) {
  if (activation == "relu") return x.relu();
  return activation == "gelu" ? at::gelu(x) : at::silu(x);
}

/// psi of t [..., m] -> [..., m, L] after nonneg.
at::Tensor psi(const at::Tensor& t, const Inputs& in, const Spec& spec) {
  const at::Tensor &w1 = in.params[kW1], &b1 = in.params[kB1], &w2 = in.params[kW2];
  at::Tensor y;
  if (w1.dim() == 1) {
    const at::Tensor hidden = activate(t.unsqueeze(-1) * w1 + b1, spec.activation);
    y = at::matmul(hidden, w2.t()) + in.params[kB2];
  } else {  // L scalar MLPs side by side: hidden [..., m, L, hid]
    const at::Tensor hidden = activate(t.unsqueeze(-1).unsqueeze(-1) * w1 + b1, spec.activation);
    y = (hidden * w2).sum(-1) + in.params[kB2];
  }
  return spec.nonneg ? y.relu() : y;
}

/// x [B, heads, tokens, d] -> [B, heads, tokens, D]; Listing 1 with the envelope of Eq. 11.
at::Tensor luna_features(const at::Tensor& x, const Inputs& in, const Spec& spec) {
  const at::Tensor& proj = in.params[kProjWeight];
  const at::Tensor t = at::matmul(x, proj.t()) + in.params[kProjBias];
  at::Tensor y = psi(t, in, spec);
  if (spec.ch_rms_target > 0 && y.numel() > 0) {
    const at::Tensor rms = (y.square().mean({0, 1, 2, 3}) + kRmsEps).sqrt();
    y = y * (spec.ch_rms_target / (rms + kRmsEps)).clamp_max(1.0);
  }
  y = (y + spec.feature_eps) / std::sqrt(static_cast<double>(proj.size(0)));
  if (spec.envelope == "exp") y = y * (x.square().sum(-1) * -0.5).exp().unsqueeze(-1).unsqueeze(-1);
  if (spec.envelope == "norm") y = y * x.norm(2, -1).unsqueeze(-1).unsqueeze(-1);
  return y.flatten(3);
}

/// FAVOR+ with its stabiliser as a constant: per token for queries, per (b, h) over unmasked keys
/// for keys, where causal 0 for those: their maximum would show a token the future.
at::Tensor performer_features(const at::Tensor& x, const Inputs& in, bool query, bool causal) {
  const at::Tensor& w = in.params[0];
  const at::Tensor xs = x * std::pow(static_cast<double>(x.size(3)), -0.25);
  const at::Tensor t = at::matmul(xs, w.t());  // [B, heads, tokens, m]
  if (t.numel() == 0) return t;
  at::Tensor largest = t.detach();
  if (!query && in.key_mask) {
    largest = largest.masked_fill(in.key_mask->logical_not().unsqueeze(1).unsqueeze(-1),
                                  -std::numeric_limits<double>::infinity());
  }
  largest = query ? largest.amax(-1, true) : largest.amax({2, 3}, true);
  if (!query && causal) largest = at::zeros_like(largest);
  largest = largest.masked_fill(largest == -std::numeric_limits<double>::infinity(), 0.0);
  const at::Tensor half_square = xs.square().sum(-1, true) * 0.5;
  return ((t - half_square - largest).exp() + kPerformerEps) /
         std::sqrt(static_cast<double>(w.size(0)));
}

at::Tensor features(const at::Tensor& x, const Inputs& in, const Spec& spec, bool query) {
  if (spec.learned()) return luna_features(x, in, spec);
  const FixedMap* map = find_fixed_map(spec.feature_map);
  return map->elementwise() ? map->phi(x) : performer_features(x, in, query, spec.causal);
}

at::Tensor apply_rule(const at::Tensor& den, const Spec& spec) {
  return spec.denominator == "add_eps" ? den + spec.eps : den.clamp_min(spec.eps);
}

}  // namespace

Quotient reference_quotient(const Inputs& inputs, const Spec& spec) {
  at::Tensor k = inputs.k, v = inputs.v, keep;
  if (inputs.key_mask) {
    // A masked key's NaN would come back through 0 * NaN in the gradient: it is replaced before the
    // map.
    keep = inputs.key_mask->unsqueeze(1).unsqueeze(-1);  // [B, 1, N, 1]
    k = at::where(keep, k, k.nan_to_num(0.0, 0.0, 0.0));
    v = at::where(keep, v, at::zeros({}, v.options()));
  }
  at::Tensor phi_q = features(inputs.q, inputs, spec, true);
  at::Tensor phi_k = features(k, inputs, spec, false);
  if (keep.defined()) phi_k = at::where(keep, phi_k, at::zeros({}, phi_k.options()));
  const int64_t group = inputs.q.size(1) / k.size(1);
  if (group > 1) {
    phi_k = phi_k.repeat_interleave(group, 1);
    v = v.repeat_interleave(group, 1);
  }
  if (spec.causal) {
    const at::Tensor score = at::matmul(phi_q, phi_k.transpose(-1, -2)).tril();
    return {at::matmul(score, v), apply_rule(score.sum(-1, true), spec)};
  }
  const at::Tensor S = at::matmul(phi_k.transpose(-1, -2), v);  // [B, H, D, dv]
  const at::Tensor z = phi_k.sum(2).unsqueeze(-1);              // [B, H, D, 1]
  return {at::matmul(phi_q, S), apply_rule(at::matmul(phi_q, z), spec)};
}

at::Tensor reference_attention(const Inputs& inputs, const Spec& spec) {
  const auto [numerator, denominator] = reference_quotient(inputs, spec);
  return numerator / denominator;
}

}  // namespace luna::ops
