#include "runtime/ops/attention.h"

#include "runtime/kernels/layout.h"
#include "runtime/ops/call.h"
#include "runtime/ops/layout.h"
#include "runtime/ops/packed_attention.h"
#include "runtime/ops/weights.h"

namespace luna::ops {
namespace {

/// The gradient back through unit_rows.
at::Tensor unit_rows_gradient(const at::Tensor& x, const at::Tensor& grad) {
  const at::Tensor size = x.norm(2, -1, true, at::kFloat), unit = unit_rows(x);
  return ((grad - unit * (unit * grad).sum(-1, true)) / size).masked_fill_(size == 0, 0.0);
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
  LunaMap::Sum sum;
  const at::Tensor q_scale = call.luna->add_gradient(call.problem.q, call.q_side, back.q_map, sum);
  const at::Tensor k_scale = call.luna->add_gradient(call.problem.k, call.k_side, back.k_map, sum);
  if (wanted.q) add(out.q, q_scale);
  if (wanted.k) add(out.k, k_scale);
  const std::vector<at::Tensor> params = call.luna->tensors(sum);
  for (size_t i = 0; i < params.size(); ++i) {
    if (wanted.params[i]) out.params[i] = params[i];
  }
}

/// Of the two sides of one table.
kernels::MapGrads both_sides(const kernels::Backward& back) {
  kernels::MapGrads sum = back.q_map;
  add(sum.proj, back.k_map.proj);
  add(sum.bias, back.k_map.bias);
  add(sum.g0, back.k_map.g0);
  add(sum.g1, back.k_map.g1);
  return sum;
}

void add_fixed_gradients(const Call& call, const kernels::Backward& back,
                         const WantedGradients& wanted, Gradients& out) {
  const auto add_side = [&](const kernels::MapGrads& grads, const MapContext& context) {
    const std::vector<at::Tensor> params = call.fixed->unfold(grads, context);
    for (size_t i = 0; i < params.size(); ++i) {
      if (wanted.params[i]) add(out.params[i], params[i]);
    }
  };
  if (call.fixed->table) return add_side(both_sides(back), call.q_context);
  add_side(back.q_map, call.q_context);
  add_side(back.k_map, call.k_context);
}

/// Whether gradients of tokens are sums, of what comes through phi and what through its factors.
bool is_weighed(const Spec& spec) { return spec.has_envelope() || spec.ch_rms_target > 0; }

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
  parts.wide = is_weighed(spec);
  kernels::Forward from = saved;  // hooks of saved tensors may have given them other strides
  from.o = unit_last_stride(saved.o);
  from.S = saved.S.contiguous();
  from.z = saved.z.contiguous();
  const kernels::Backward back =
      kernels::backward(call.problem, from, aligned(unit_last_stride(grad)), parts);

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

/// q and k in float32 where their gradients are sums of several parts: half precision rounds the
/// sum, not the parts. (LUNA's on CUDA excepted: kernels take its tokens in half precision, and
/// give their part in float32.)
Inputs with_wide_tokens(Inputs in, const Spec& spec) {
  if (!by_polarity(spec) && !(is_weighed(spec) && in.q.is_cpu())) return in;
  in.q = in.q.to(at::kFloat);
  in.k = in.k.to(at::kFloat);
  return in;
}

kernels::Forward polar_forward(const Inputs& inputs, Spec spec, const PreparedMap& map) {
  spec.keeps_sums = false;  // saved are those of one call of the kernels
  kernels::Forward parts[2];
  for (const int half : {0, 1}) {
    parts[half] = kernels::forward(Call(half_of(inputs, half), spec, map, half == 1).problem);
  }
  const auto joined = [&](at::Tensor kernels::Forward::*x) {
    return at::cat({parts[0].*x, parts[1].*x}, -1);
  };
  at::Tensor o = kernels::empty_in_order_of(inputs.q, inputs.v.sym_size(3), spec.o_type);
  at::cat_out(o, {parts[0].o, parts[1].o}, -1);
  return {o, at::stack({parts[0].den, parts[1].den}), joined(&kernels::Forward::S), parts[0].z,
          parts[0].M};
}

Gradients polar_backward(const at::Tensor& grad, const Inputs& inputs,
                         const kernels::Forward& saved, const Spec& spec,
                         const WantedGradients& wanted, const PreparedMap& map) {
  Gradients parts[2];
  for (const int64_t half : {0, 1}) {
    const auto own = [&](const at::Tensor& x) { return x.chunk(2, -1)[half]; };
    const Inputs part = half_of(inputs, half);
    parts[half] =
        backward_of(Call(part, spec, map, half == 1), own(grad), part,
                    {own(saved.o), saved.den[half], own(saved.S), saved.z, saved.M}, spec, wanted);
  }
  Gradients& out = parts[0];
  add(out.q, parts[1].q);
  add(out.k, parts[1].k);
  if (wanted.v) out.v = at::cat({out.v, parts[1].v}, -1);
  for (size_t i = 0; i < out.params.size(); ++i) add(out.params[i], parts[1].params[i]);
  return out;
}

}  // namespace

kernels::Forward sequence_forward(const Inputs& inputs, const Spec& spec, const PreparedMap& map) {
  if (by_polarity(spec)) return polar_forward(inputs, spec, map);
  return kernels::forward(Call(inputs, spec, map, false).problem);
}

Gradients sequence_backward(const at::Tensor& grad, const Inputs& inputs,
                            const kernels::Forward& saved, const Spec& spec,
                            const WantedGradients& wanted, const PreparedMap& map) {
  const Inputs in = with_wide_tokens(inputs, spec);
  if (by_polarity(spec)) return polar_backward(grad, in, saved, spec, wanted, map);
  return backward_of(Call(in, spec, map, false), grad, in, saved, spec, wanted);
}

kernels::Forward attention_forward(const Inputs& inputs, const Spec& spec) {
  const auto map = kept_map(spec.op(), inputs.params, spec);
  return inputs.cu_seqlens ? packed_forward(inputs, spec, *map)
                           : sequence_forward(inputs, spec, *map);
}

Gradients attention_backward(const at::Tensor& grad, const Inputs& inputs,
                             const kernels::Forward& saved, const Spec& spec,
                             const WantedGradients& wanted) {
  const auto map = kept_map(spec.op(), inputs.params, spec);
  Gradients grads = inputs.cu_seqlens ? packed_backward(grad, inputs, saved, spec, wanted, *map)
                                      : sequence_backward(grad, inputs, saved, spec, wanted, *map);
  narrow(grads, inputs);
  return grads;
}

}  // namespace luna::ops
