#include "runtime/ops/attention.h"

#include "runtime/kernels/layout.h"
#include "runtime/ops/fixed_maps.h"
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

/// M of the keys, [B, Hk]; 0 where every key is masked.
at::Tensor key_stabiliser(const kernels::Problem& problem) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor& k = problem.k;
  const kernels::MapArgs& map = problem.k_map;
  if (k.numel() == 0) return at::zeros({k.size(0), k.size(1)}, k.options().dtype(at::kFloat));
  at::Tensor largest;
  if (map.stabilised_by == kernels::Stabiliser::projection) {
    largest = kernels::key_maximum(k, map, problem.k_weight);
  } else {
    at::Tensor squares = k.to(at::kFloat).square().sum(-1).mul_(map.stabiliser_scale);
    if (problem.k_weight.defined()) squares.masked_fill_(problem.k_weight == 0, -kInfinity);
    largest = squares.amax(2);
  }
  return largest.masked_fill_(largest == -kInfinity, 0.0);
}

/// x / |x| in float32, 0 where x is 0, and the gradient back through it.
at::Tensor unit_rows(const at::Tensor& given) {
  const at::Tensor x = given.to(at::kFloat);
  const at::Tensor size = x.norm(2, -1, true);
  return (x / size).masked_fill_(size == 0, 0.0);
}
at::Tensor unit_rows_gradient(const at::Tensor& x, const at::Tensor& grad) {
  const at::Tensor size = x.norm(2, -1, true, at::kFloat), unit = unit_rows(x);
  return ((grad - unit * (unit * grad).sum(-1, true)) / size).masked_fill_(size == 0, 0.0);
}

/// A masked token's row, NaN or not, is not looked at.
at::Tensor drop_masked(const at::Tensor& k, const std::optional<at::Tensor>& mask) {
  return mask ? k.masked_fill(mask->logical_not().unsqueeze(1).unsqueeze(-1), 0.0) : k;
}

/// The kernels take parameters in float32.
std::vector<at::Tensor> wide(const std::vector<at::Tensor>& params) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& param : params) out.push_back(param.to(at::kFloat));
  return out;
}

/// Everything one call hands to the kernels, the same in both directions.
struct Call {
  Call(const Inputs& in, const Spec& spec, bool exchanged);
  void fold_fixed(const Inputs& in, const Spec& spec, bool exchanged);

  kernels::Problem problem;
  std::unique_ptr<LunaMap> luna;
  LunaMap::Side q_side, k_side;
  NamedMap fixed;
  MapContext q_context, k_context;
};

Call::Call(const Inputs& in, const Spec& spec, bool exchanged) {
  problem.q = aligned(unit_last_stride(in.q));
  problem.k = aligned(unit_last_stride(in.k));
  problem.v = aligned(unit_last_stride(in.v));
  problem.denominator = denominator(spec);
  problem.causal = spec.causal;
  problem.q_weight = token_weight(problem.q, spec.envelope, {});
  problem.k_weight = token_weight(problem.k, spec.envelope, in.key_mask);
  if (!spec.learned()) {
    fold_fixed(in, spec, exchanged);
    return;
  }
  luna = std::make_unique<LunaMap>(wide(in.params), spec);
  q_side = luna->side(problem.q);
  k_side = spec.ch_rms_target > 0 ? luna->side(problem.k) : q_side;
  problem.q_map = q_side.args;
  problem.k_map = k_side.args;
}

void Call::fold_fixed(const Inputs& in, const Spec& spec, bool exchanged) {
  fixed = find_fixed_map(spec.feature_map);
  q_context = {wide(in.params), fixed.option, Side::query, in.key_mask, spec.causal};
  q_context.device = in.q.device();
  q_context.length = std::max(in.q.size(2), in.k.size(2));
  k_context = q_context;
  k_context.side = Side::key;
  q_context.tokens = in.q.size(2);
  k_context.tokens = in.k.size(2);
  q_context.exchanged = exchanged;
  if (fixed->elementwise()) {
    problem.q_map.map = problem.k_map.map = fixed->name;
    return;
  }
  if (fixed->unit_rows) {
    problem.q = unit_rows(problem.q);
    problem.k = unit_rows(drop_masked(problem.k, in.key_mask));
  }
  problem.q_map = fixed->fold(in.q.size(3), q_context);
  problem.k_map = fixed->fold(in.k.size(3), k_context);
  const bool reduced = problem.k_map.stabilised_by == kernels::Stabiliser::projection ||
                       problem.k_map.stabilised_by == kernels::Stabiliser::square;
  if (reduced && !spec.causal) problem.k_map.stabiliser = key_stabiliser(problem);
}

bool any(const std::vector<bool>& flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

void add(at::Tensor& sum, const at::Tensor& more) {
  if (more.defined()) sum = sum.defined() ? sum + more : more;
}

/// Gradients in the dtypes of what they are of.
void narrow(Gradients& grads, const Inputs& in) {
  const auto to = [](at::Tensor& grad, const at::Tensor& x) {
    if (grad.defined()) grad = grad.to(x.scalar_type());
  };
  to(grads.q, in.q);
  to(grads.k, in.k);
  to(grads.v, in.v);
  for (size_t i = 0; i < grads.params.size(); ++i) to(grads.params[i], in.params[i]);
}

/// Adds the gradients of LUNA's parameters, and to q's and k's what ch_rms sends back.
void add_luna_gradients(const Call& call, const kernels::Backward& back,
                        const WantedGradients& wanted, Gradients& out) {
  LunaMap::Sum sum = call.luna->new_sum();
  const at::Tensor q_scale = call.luna->add_gradient(call.problem.q, call.q_side, back.q_map, sum);
  const at::Tensor k_scale = call.luna->add_gradient(call.problem.k, call.k_side, back.k_map, sum);
  if (wanted.q) add(out.q, q_scale);
  if (wanted.k) add(out.k, k_scale);
  const std::vector<at::Tensor> params = call.luna->tensors(sum);
  for (size_t i = 0; i < params.size(); ++i) {
    if (wanted.params[i]) out.params[i] = params[i];
  }
}

void add_fixed_gradients(const Call& call, const kernels::Backward& back,
                         const WantedGradients& wanted, Gradients& out) {
  const auto add_side = [&](const kernels::MapGrads& grads, const MapContext& context) {
    const std::vector<at::Tensor> params = call.fixed->unfold(grads, context);
    for (size_t i = 0; i < params.size(); ++i) {
      if (wanted.params[i]) add(out.params[i], params[i]);
    }
  };
  add_side(back.q_map, call.q_context);
  add_side(back.k_map, call.k_context);
}

/// Gradients of one call of the kernels.
Gradients backward_of(const Call& call, const at::Tensor& grad, const Inputs& inputs,
                      const kernels::Forward& saved, const Spec& spec,
                      const WantedGradients& wanted) {
  const bool through_scale = spec.ch_rms_target > 0 && (wanted.q || wanted.k);
  kernels::Wanted parts;
  parts.q = wanted.q;
  parts.k = wanted.k;
  parts.v = wanted.v;
  parts.q_weight = wanted.q && spec.has_envelope();
  parts.k_weight = wanted.k && spec.has_envelope();
  parts.params = any(wanted.params) || through_scale;
  const kernels::Backward back =
      kernels::backward(call.problem, saved, aligned(unit_last_stride(grad)), parts);

  // A fused pass gives q's gradient on the way to the parameters', and k's and v's together.
  const auto asked = [](bool flag, const at::Tensor& x) { return flag ? x : at::Tensor(); };
  Gradients out{asked(wanted.q, back.q), asked(wanted.k, back.k), asked(wanted.v, back.v),
                std::vector<at::Tensor>(inputs.params.size())};
  if (call.fixed && call.fixed->unit_rows) {
    if (wanted.q) out.q = unit_rows_gradient(inputs.q, out.q);
    if (wanted.k) out.k = unit_rows_gradient(drop_masked(inputs.k, inputs.key_mask), out.k);
  }
  if (parts.q_weight) {
    add(out.q,
        envelope_gradient(call.problem.q, call.problem.q_weight, back.q_weight, spec.envelope));
  }
  if (parts.k_weight) {
    add(out.k,
        envelope_gradient(call.problem.k, call.problem.k_weight, back.k_weight, spec.envelope));
  }
  if (!parts.params) return out;
  call.luna ? add_luna_gradients(call, back, wanted, out)
            : add_fixed_gradients(call, back, wanted, out);
  return out;
}

/// The inputs with one half of v's columns.
Inputs half_of(const Inputs& inputs, int64_t half) {
  Inputs part = inputs;
  part.v = inputs.v.chunk(2, -1)[half];
  return part;
}

kernels::Forward polar_forward(const Inputs& inputs, const Spec& spec) {
  kernels::Forward parts[2];
  for (const int half : {0, 1}) {
    parts[half] = kernels::forward(Call(half_of(inputs, half), spec, half == 1).problem);
  }
  const auto joined = [&](at::Tensor kernels::Forward::*x) {
    return at::cat({parts[0].*x, parts[1].*x}, -1);
  };
  at::Tensor o = kernels::empty_in_order_of(inputs.q, inputs.v.sym_size(3));
  at::cat_out(o, {parts[0].o, parts[1].o}, -1);
  return {o, at::stack({parts[0].den, parts[1].den}), joined(&kernels::Forward::S), parts[0].z};
}

Gradients polar_backward(const at::Tensor& grad, const Inputs& inputs,
                         const kernels::Forward& saved, const Spec& spec,
                         const WantedGradients& wanted) {
  Gradients parts[2];
  for (const int64_t half : {0, 1}) {
    const auto own = [&](const at::Tensor& x) { return x.chunk(2, -1)[half]; };
    const Inputs part = half_of(inputs, half);
    parts[half] = backward_of(Call(part, spec, half == 1), own(grad), part,
                              {own(saved.o), saved.den[half], own(saved.S).contiguous(), saved.z},
                              spec, wanted);
  }
  Gradients& out = parts[0];
  add(out.q, parts[1].q);
  add(out.k, parts[1].k);
  if (wanted.v) out.v = at::cat({out.v, parts[1].v}, -1);
  for (size_t i = 0; i < out.params.size(); ++i) add(out.params[i], parts[1].params[i]);
  return out;
}

}  // namespace

kernels::Forward attention_forward(const Inputs& inputs, const Spec& spec) {
  if (by_polarity(spec)) return polar_forward(inputs, spec);
  return kernels::forward(Call(inputs, spec, false).problem);
}

Gradients attention_backward(const at::Tensor& grad, const Inputs& inputs,
                             const kernels::Forward& saved, const Spec& spec,
                             const WantedGradients& wanted) {
  Gradients grads = by_polarity(spec)
                        ? polar_backward(grad, inputs, saved, spec, wanted)
                        : backward_of(Call(inputs, spec, false), grad, inputs, saved, spec, wanted);
  narrow(grads, inputs);
  return grads;
}

}  // namespace luna::ops
