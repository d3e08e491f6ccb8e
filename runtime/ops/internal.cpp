// The internal operators on real tensors, their shape functions, and calls to them through the
// dispatcher.
#include "runtime/ops/internal.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "runtime/kernels/layout.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/kept_sums.h"
#include "runtime/ops/layout.h"
#include "runtime/ops/packed.h"

namespace luna::ops {
namespace {

c10::List<bool> pack(const WantedGradients& wanted) {
  c10::List<bool> out({wanted.q, wanted.k, wanted.v});
  for (const bool flag : wanted.params) out.push_back(flag);
  return out;
}

/// A tensor for an operator's output list: unwanted gradients travel as zero-element tensors.
at::Tensor or_empty(const at::Tensor& grad, const at::Tensor& like) {
  return grad.defined() ? grad : at::empty({0}, like.options());
}

}  // namespace

WantedGradients unpack(const c10::List<bool>& wanted) {
  WantedGradients out{wanted[0], wanted[1], wanted[2], {}};
  for (size_t i = 3; i < wanted.size(); ++i) out.params.push_back(wanted[i]);
  return out;
}

c10::SymInt feature_count(const Inputs& in, const Spec& spec) {
  if (spec.learned()) return in.params[kProjWeight].sym_size(0) * in.params[kW2].sym_size(0);
  return feature_count(find_fixed_map(spec.feature_map), in.q.sym_size(-1), in.params);
}

std::vector<c10::SymInt> stabiliser_shape(const Spec& spec, const c10::SymInt& states,
                                          const c10::SymInt& Hk) {
  if (spec.learned() || spec.causal) return {0};
  const NamedMap map = find_fixed_map(spec.feature_map);
  if (!map->stabilised(map.option)) return {0};
  return {states, Hk};
}

ForwardOut forward_kernel(const Inputs& in, const Spec& given) {
  KeptSums* const kept = KeptSums::current();
  Spec spec = given;
  spec.keeps_sums = kept && kept->wanted;
  const kernels::Forward out = attention_forward(in, spec);
  if (spec.keeps_sums) kept->sums = out.key_sums;
  return {out.o.to(spec.o_type), out.den, out.S, out.z, out.M};
}

ForwardOut forward_shapes(const Inputs& in, const Spec& spec) {
  const at::Tensor& q = in.q;
  const c10::SymInt D = feature_count(in, spec);
  const c10::SymInt Hk = in.k.sym_size(1), dv = in.v.sym_size(3);
  const c10::SymInt states = in.cu_seqlens ? in.cu_seqlens->sym_size(0) - 1 : q.sym_size(0);
  std::vector<c10::SymInt> den{q.sym_size(0), q.sym_size(1), q.sym_size(2)};
  if (by_polarity(spec)) den.insert(den.begin(), 2);
  const auto sums = q.options().dtype(at::kFloat);
  return {kernels::empty_in_order_of(q, dv, spec.o_type), at::empty_symint(den, sums),
          at::empty_symint({states, Hk, D, dv}, sums), at::empty_symint({states, Hk, D}, sums),
          at::empty_symint(stabiliser_shape(spec, states, Hk), sums)};
}

BackwardOut backward_kernel(const at::Tensor& grad, const Inputs& in, const kernels::Forward& given,
                            const Spec& spec, const WantedGradients& wanted) {
  kernels::Forward saved = given;
  if (const KeptSums* kept = KeptSums::current()) saved.key_sums = kept->sums;
  Gradients out = attention_backward(grad, in, saved, spec, wanted);
  for (at::Tensor& param : out.params) param = or_empty(param, in.q);
  return {or_empty(out.q, in.q), or_empty(out.k, in.q), or_empty(out.v, in.q), out.params};
}

BackwardOut backward_shapes(const at::Tensor&, const Inputs& in, const kernels::Forward&,
                            const Spec&, const WantedGradients& wanted) {
  const auto like = [&](const at::Tensor& x, bool flag) {
    return flag ? at::empty_like(x) : at::empty({0}, in.q.options());
  };
  std::vector<at::Tensor> dparams;
  for (size_t i = 0; i < in.params.size(); ++i) {
    const at::Tensor& param = in.params[i];
    dparams.push_back(wanted.params[i] ? at::empty_symint(param.sym_sizes(), param.options())
                                       : at::empty({0}, in.q.options()));
  }
  return {like(in.q, wanted.q), like(in.k, wanted.k), like(in.v, wanted.v), dparams};
}

ForwardOut fused_forward(const char* op, Inputs given, const Spec& spec) {
  Inputs in = with_host_offsets(std::move(given));
  check(op, in, spec);
  check_built(op, in, spec);
  if (spec.ch_rms_target > 0 && in.key_mask) {
    // The RMS runs over masked tokens too, as the Listing's: what is not finite there counts as 0.
    const at::Tensor keep = in.key_mask->unsqueeze(1).unsqueeze(-1);
    in.k = at::where(keep, in.k, in.k.nan_to_num(0.0, 0.0, 0.0));
  }
  in.q = unit_last_stride(in.q);
  in.k = unit_last_stride(in.k);
  in.v = unit_last_stride(in.v);
  return call_forward(in, spec, in.q.scalar_type());
}

ForwardOut call_forward(const Inputs& in, const Spec& spec, at::ScalarType o_type) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("luna::_attention_forward", "")
                             .typed<ForwardOp>();
  return op.call(in.q, in.k, in.v, in.params, in.key_mask, in.cu_seqlens, spec.feature_map,
                 spec.activation, spec.nonneg, spec.envelope, spec.ch_rms_target, spec.psi,
                 spec.denominator, spec.eps, spec.feature_eps, spec.causal, o_type);
}

Gradients call_backward(const at::Tensor& grad, const Inputs& in, const kernels::Forward& saved,
                        const Spec& spec, const WantedGradients& wanted) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("luna::_attention_backward", "")
                             .typed<BackwardOp>();
  auto [dq, dk, dv, dparams] =
      op.call(grad, in.q, in.k, in.v, in.params, saved.o, saved.den, saved.S, saved.z, saved.M,
              in.key_mask, in.cu_seqlens, spec.feature_map, spec.activation, spec.nonneg,
              spec.envelope, spec.ch_rms_target, spec.psi, spec.denominator, spec.eps,
              spec.feature_eps, spec.causal, pack(wanted));
  const auto given = [](const at::Tensor& x, bool flag) { return flag ? x : at::Tensor(); };
  Gradients out{given(dq, wanted.q), given(dk, wanted.k), given(dv, wanted.v), dparams};
  for (size_t i = 0; i < out.params.size(); ++i) {
    out.params[i] = given(out.params[i], wanted.params[i]);
  }
  return out;
}

}  // namespace luna::ops
