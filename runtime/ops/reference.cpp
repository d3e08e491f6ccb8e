#include "runtime/ops/reference.h"

#include "runtime/ops/ch_rms.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/packed.h"

namespace luna::ops {
namespace {

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

/// x [B, heads, tokens, d] -> [B, heads, tokens, D]: Listing 1 with the envelope of Eq. 11.
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

at::Tensor features(const at::Tensor& x, const Inputs& in, const Spec& spec, Side side,
                    int64_t position) {
  if (spec.learned()) return luna_features(x, in, spec);
  const NamedMap map = find_fixed_map(spec.feature_map);
  return map_features(map, x,
                      {in.params, map.option, side, in.key_mask, spec.causal, position,
                       std::max(in.q.size(2), in.k.size(2))});
}

/// phi(q), phi(k) and v; of masked keys nothing is left.
struct Mapped {
  at::Tensor phi_q, phi_k, v;
};

Mapped mapped(const Inputs& in, const Spec& spec, int64_t position = 0) {
  Mapped out{features(in.q, in, spec, Side::query, position), {}, in.v};
  if (!in.key_mask) {
    out.phi_k = features(in.k, in, spec, Side::key, position);
    return out;
  }
  // A masked key's NaN would come back through 0 * NaN in the gradient: it is replaced before the
  // map.
  const at::Tensor keep = in.key_mask->unsqueeze(1).unsqueeze(-1);  // [B, 1, N, 1]
  const at::Tensor k = at::where(keep, in.k, in.k.nan_to_num(0.0, 0.0, 0.0));
  const at::Tensor phi_k = features(k, in, spec, Side::key, position);
  out.phi_k = at::where(keep, phi_k, at::zeros({}, phi_k.options()));
  out.v = at::where(keep, in.v, at::zeros({}, in.v.options()));
  return out;
}

/// x for every query head, of a tensor that has one a key head.
at::Tensor by_query_head(const at::Tensor& x, const Inputs& in) {
  const int64_t group = in.q.size(1) / in.k.size(1);
  return group > 1 ? x.repeat_interleave(group, 1) : x;
}

/// Numerator [B, H, Nq, dv] and denominator [B, H, Nq, 1] before its rule.
using Sums = std::pair<at::Tensor, at::Tensor>;

at::Tensor state_of(const Mapped& x) { return at::matmul(x.phi_k.transpose(-1, -2), x.v); }

Sums whole_sums(const Mapped& x) {
  const at::Tensor score = at::matmul(x.phi_q, x.phi_k.transpose(-1, -2));
  return {at::matmul(score, x.v), score.sum(-1, true)};
}

/// Query t over keys 0..t. For every power of two s, the later half of each 2 s queries meets the
/// earlier half of the 2 s keys: no product, not even 0 * NaN, joins a token with a later one.
Sums causal_sums(const Mapped& x) {
  const int64_t queries = x.phi_q.size(2);
  int64_t tokens = 1;
  while (tokens < queries) tokens *= 2;
  const auto padded = [&](const at::Tensor& t) {
    const at::Tensor seen = t.narrow(2, 0, std::min(t.size(2), queries));
    return at::constant_pad_nd(seen, {0, 0, 0, tokens - seen.size(2)});
  };
  const Mapped all{padded(x.phi_q), padded(x.phi_k), padded(x.v)};
  at::Tensor sum = (all.phi_q * all.phi_k).sum(-1, true), numerator = sum * all.v;
  for (int64_t s = 1; s < tokens; s *= 2) {
    const auto halves = [&](const at::Tensor& t, int64_t which) {
      return t.unflatten(2, {tokens / (2 * s), 2, s}).select(3, which);
    };
    const Sums past = whole_sums({halves(all.phi_q, 1), halves(all.phi_k, 0), halves(all.v, 0)});
    const auto in_place = [](const at::Tensor& later) {
      return at::stack({at::zeros_like(later), later}, 3).flatten(2, 4);
    };
    numerator = numerator + in_place(past.first);
    sum = sum + in_place(past.second);
  }
  return {numerator.narrow(2, 0, queries), sum.narrow(2, 0, queries)};
}

at::Tensor apply_rule(const at::Tensor& den, const Spec& spec) {
  return spec.denominator == "add_eps" ? den + spec.eps : den.clamp_min(spec.eps);
}

/// sums(phi_q, columns) as the map attends its value columns (of v or of a state): all with phi(q),
/// or half of them with phi(q) and half with phi(q)'s halves exchanged.
template <typename SumsOf>
Quotient by_columns(const at::Tensor& phi_q, const at::Tensor& all, const Spec& spec,
                    const SumsOf& sums) {
  const auto quotient = [&](const at::Tensor& phi, const at::Tensor& columns) -> Quotient {
    const Sums both = sums(phi, columns);
    return {both.first, apply_rule(both.second, spec)};
  };
  if (spec.learned() || find_fixed_map(spec.feature_map)->columns == ValueColumns::together) {
    return quotient(phi_q, all);
  }
  const auto phi = phi_q.chunk(2, -1), columns = all.chunk(2, -1);
  const Quotient same = quotient(phi_q, columns[0]);
  const Quotient opposite = quotient(at::cat({phi[1], phi[0]}, -1), columns[1]);
  const auto wide = [&](const Quotient& part) {
    return part.denominator.expand_as(part.numerator);
  };
  return {at::cat({same.numerator, opposite.numerator}, -1),
          at::cat({wide(same), wide(opposite)}, -1)};
}

/// Queries over keys that state [B, Hk, D, dv] and norm [B, Hk, D] hold.
Quotient over_state(const at::Tensor& phi_q, const at::Tensor& state, const at::Tensor& norm,
                    const Inputs& in, const Spec& spec) {
  const at::Tensor z = by_query_head(norm, in).unsqueeze(-1);
  return by_columns(phi_q, by_query_head(state, in), spec,
                    [&](const at::Tensor& phi, const at::Tensor& columns) {
                      return Sums{at::matmul(phi, columns), at::matmul(phi, z)};
                    });
}

Quotient one_sequence(const Inputs& in, const Spec& spec) {
  const Mapped x = mapped(in, spec);
  if (!spec.causal) return over_state(x.phi_q, state_of(x), x.phi_k.sum(2), in, spec);
  const at::Tensor phi_k = by_query_head(x.phi_k, in);
  return by_columns(x.phi_q, by_query_head(x.v, in), spec,
                    [&](const at::Tensor& phi_q, const at::Tensor& columns) {
                      return causal_sums({phi_q, phi_k, columns});
                    });
}

Spec as_causal(const Spec& spec) {
  Spec causal = spec;
  causal.causal = true;
  return causal;
}

}  // namespace

at::Tensor activate(const at::Tensor& x, const std::string& activation) {
  if (activation == "relu") return x.relu();
  if (activation == "leaky_relu") return at::leaky_relu(x, kLeakySlope);
  if (activation == "hardtanh") return at::hardtanh(x, -1, 1);
  return activation == "gelu" ? at::gelu(x) : at::silu(x);
}

Quotient reference_quotient(const Inputs& in, const Spec& spec) {
  if (!in.cu_seqlens) return one_sequence(in, spec);
  const std::vector<int64_t> begins = offsets(*in.cu_seqlens);
  std::vector<at::Tensor> numerators, denominators;
  for (size_t s = 0; s + 1 < begins.size(); ++s) {
    const Quotient part = one_sequence(sequence(in, begins[s], begins[s + 1]), spec);
    numerators.push_back(part.numerator);
    denominators.push_back(part.denominator);
  }
  return {at::cat(numerators, 2), at::cat(denominators, 2)};
}

at::Tensor reference_attention(const Inputs& inputs, const Spec& spec) {
  const auto [numerator, denominator] = reference_quotient(inputs, spec);
  return numerator / denominator;
}

DecodeState reference_prefill(const Inputs& in, const Spec& spec) {
  const Mapped x = mapped(in, as_causal(spec));
  return {state_of(x), x.phi_k.sum(2), in.k.size(2)};
}

at::Tensor reference_decode_step(const Inputs& in, const Spec& spec, DecodeState& state) {
  const Mapped x = mapped(in, as_causal(spec), state.tokens);
  state = {state.state + state_of(x), state.norm + x.phi_k.sum(2), state.tokens + 1};
  const auto [numerator, denominator] = over_state(x.phi_q, state.state, state.norm, in, spec);
  return numerator / denominator;
}

}  // namespace luna::ops
