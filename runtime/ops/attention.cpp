#include "runtime/ops/attention.h"

#include "runtime/ops/layout.h"
#include "runtime/ops/luna_map.h"
#include "runtime/ops/weights.h"

namespace luna::ops {
namespace {

kernels::Denominator denominator(const Spec& spec) {
  kernels::Denominator rule;
  (spec.denominator == "add_eps" ? rule.add : rule.clamp) = static_cast<float>(spec.eps);
  return rule;
}

/// The fixed maps' arguments; FAVOR+'s d^-1/4 is folded into W.
kernels::MapArgs fixed_map(const Inputs& in, const Spec& spec) {
  kernels::MapArgs args;
  args.map = spec.feature_map;
  if (spec.feature_map == "performer") {
    const double d = in.q.size(3);
    args.proj = in.params[0].mul(std::pow(d, -0.25)).contiguous();
    args.bias = at::zeros({args.proj.size(0)}, args.proj.options());
    args.feature_eps = kPerformerEps;
  }
  return args;
}

/// FAVOR+'s stabiliser of the keys, [B, Hk]: the largest t over unmasked keys; 0 where there is
/// none.
at::Tensor key_stabiliser(const kernels::Problem& problem) {
  const at::Tensor& k = problem.k;
  if (k.numel() == 0) return at::zeros({k.size(0), k.size(1)}, k.options());
  at::Tensor largest = kernels::key_maximum(k, problem.k_map, problem.k_weight);
  return largest.masked_fill_(largest == -std::numeric_limits<double>::infinity(), 0.0);
}

/// Everything one call hands to the kernels, the same in both directions.
struct Call {
  Call(const Inputs& in, const Spec& spec);

  kernels::Problem problem;
  std::unique_ptr<LunaMap> luna;
  LunaMap::Side q_side, k_side;
};

Call::Call(const Inputs& in, const Spec& spec) {
  problem.q = aligned(unit_last_stride(in.q));
  problem.k = aligned(unit_last_stride(in.k));
  problem.v = aligned(unit_last_stride(in.v));
  problem.denominator = denominator(spec);
  problem.causal = spec.causal;
  problem.q_weight = token_weight(problem.q, spec.envelope, {});
  problem.k_weight = token_weight(problem.k, spec.envelope, in.key_mask);
  if (spec.learned()) {
    luna = std::make_unique<LunaMap>(in.params, spec);
    q_side = luna->side(problem.q);
    k_side = spec.ch_rms_target > 0 ? luna->side(problem.k) : q_side;
    problem.q_map = q_side.args;
    problem.k_map = k_side.args;
    return;
  }
  problem.q_map = problem.k_map = fixed_map(in, spec);
  if (spec.feature_map == "performer" && !spec.causal) {
    problem.k_map.stabiliser = key_stabiliser(problem);
  }
}

bool any(const std::vector<bool>& flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

void add(at::Tensor& sum, const at::Tensor& more) {
  if (more.defined()) sum = sum + more;
}

}  // namespace

kernels::Forward attention_forward(const Inputs& inputs, const Spec& spec) {
  return kernels::forward(Call(inputs, spec).problem);
}

Gradients attention_backward(const at::Tensor& grad, const Inputs& inputs,
                             const kernels::Forward& saved, const Spec& spec,
                             const WantedGradients& wanted) {
  const Call call(inputs, spec);
  const bool through_scale = spec.ch_rms_target > 0 && (wanted.q || wanted.k);
  kernels::Wanted parts;
  parts.q = wanted.q;
  parts.k = wanted.k;
  parts.v = wanted.v;
  parts.q_weight = wanted.q && spec.has_envelope();
  parts.k_weight = wanted.k && spec.has_envelope();
  parts.params = spec.learned() && (any(wanted.params) || through_scale);
  const kernels::Backward back =
      kernels::backward(call.problem, saved, aligned(unit_last_stride(grad)), parts);

  // A fused pass gives q's gradient on the way to the parameters', and k's and v's together.
  const auto asked = [](bool flag, const at::Tensor& x) { return flag ? x : at::Tensor(); };
  Gradients out{asked(wanted.q, back.q), asked(wanted.k, back.k), asked(wanted.v, back.v),
                std::vector<at::Tensor>(inputs.params.size())};
  if (parts.q_weight) {
    add(out.q,
        envelope_gradient(call.problem.q, call.problem.q_weight, back.q_weight, spec.envelope));
  }
  if (parts.k_weight) {
    add(out.k,
        envelope_gradient(call.problem.k, call.problem.k_weight, back.k_weight, spec.envelope));
  }
  if (!parts.params) return out;
  LunaMap::Sum sum = call.luna->new_sum();
  const at::Tensor q_scale = call.luna->add_gradient(call.problem.q, call.q_side, back.q_map, sum);
  const at::Tensor k_scale = call.luna->add_gradient(call.problem.k, call.k_side, back.k_map, sum);
  if (wanted.q) add(out.q, q_scale);
  if (wanted.k) add(out.k, k_scale);
  std::vector<at::Tensor> params = call.luna->tensors(sum);
  for (size_t i = 0; i < params.size(); ++i) {
    if (wanted.params[i]) out.params[i] = params[i];
  }
  return out;
}

}  // namespace luna::ops
