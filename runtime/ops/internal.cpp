// The internal operators on real tensors, their shape functions, and calls to them through the
// dispatcher.
#include "runtime/ops/internal.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "runtime/kernels/layout.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/layout.h"
#include "runtime/ops/packed.h"

namespace luna::ops {
namespace {

WantedGradients unpack(const c10::List<bool>& wanted) {
  WantedGradients out{wanted[0], wanted[1], wanted[2], {}};
  for (size_t i = 3; i < wanted.size(); ++i) out.params.push_back(wanted[i]);
  return out;
}

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

c10::SymInt feature_count(const Inputs& in, const Spec& spec) {
  if (spec.learned()) return in.params[kProjWeight].sym_size(0) * in.params[kW2].sym_size(0);
  return feature_count(find_fixed_map(spec.feature_map), in.q.sym_size(-1), in.params);
}

ForwardOut forward_kernel(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          at::TensorList params, Mask key_mask, Offsets cu_seqlens,
                          std::string feature_map, std::string activation, bool nonneg,
                          std::string envelope, double ch_rms_target, std::string psi,
                          std::string denominator, double eps, double feature_eps, bool causal,
                          at::ScalarType o_type) {
  const Spec spec{feature_map, activation, nonneg,      envelope, ch_rms_target, psi,
                  denominator, eps,        feature_eps, causal,   o_type};
  const kernels::Forward out =
      attention_forward({q, k, v, params.vec(), key_mask, cu_seqlens}, spec);
  return {out.o.to(o_type), out.den, out.S, out.z};
}

ForwardOut forward_shapes(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          at::TensorList params, Mask key_mask, Offsets cu_seqlens,
                          std::string feature_map, std::string, bool, std::string, double,
                          std::string, std::string, double, double, bool, at::ScalarType o_type) {
  Spec spec;
  spec.feature_map = feature_map;
  const c10::SymInt D = feature_count({q, k, v, params.vec(), key_mask, cu_seqlens}, spec);
  const c10::SymInt Hk = k.sym_size(1), dv = v.sym_size(3);
  const c10::SymInt states = cu_seqlens ? cu_seqlens->sym_size(0) - 1 : q.sym_size(0);
  std::vector<c10::SymInt> den{q.sym_size(0), q.sym_size(1), q.sym_size(2)};
  if (by_polarity(spec)) den.insert(den.begin(), 2);
  const auto sums = q.options().dtype(at::kFloat);
  return {kernels::empty_in_order_of(q, dv, o_type), at::empty_symint(den, sums),
          at::empty_symint({states, Hk, D, dv}, sums), at::empty_symint({states, Hk, D}, sums)};
}

BackwardOut backward_kernel(const at::Tensor& grad, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, at::TensorList params, const at::Tensor& o,
                            const at::Tensor& den, const at::Tensor& S, const at::Tensor& z,
                            Mask key_mask, Offsets cu_seqlens, std::string feature_map,
                            std::string activation, bool nonneg, std::string envelope,
                            double ch_rms_target, std::string psi, std::string denominator,
                            double eps, double feature_eps, bool causal, c10::List<bool> wanted) {
  const Spec spec{feature_map, activation,  nonneg, envelope,    ch_rms_target,
                  psi,         denominator, eps,    feature_eps, causal};
  Gradients out = attention_backward(grad, {q, k, v, params.vec(), key_mask, cu_seqlens},
                                     {o, den, S, z}, spec, unpack(wanted));
  for (at::Tensor& param : out.params) param = or_empty(param, q);
  return {or_empty(out.q, q), or_empty(out.k, q), or_empty(out.v, q), out.params};
}

BackwardOut backward_shapes(const at::Tensor&, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, at::TensorList params, const at::Tensor&,
                            const at::Tensor&, const at::Tensor&, const at::Tensor&, Mask, Offsets,
                            std::string, std::string, bool, std::string, double, std::string,
                            std::string, double, double, bool, c10::List<bool> wanted) {
  const WantedGradients want = unpack(wanted);
  const auto like = [&](const at::Tensor& x, bool flag) {
    return flag ? at::empty_like(x) : at::empty({0}, q.options());
  };
  std::vector<at::Tensor> dparams;
  for (size_t i = 0; i < params.size(); ++i) {
    dparams.push_back(want.params[i] ? at::empty_symint(params[i].sym_sizes(), params[i].options())
                                     : at::empty({0}, q.options()));
  }
  return {like(q, want.q), like(k, want.k), like(v, want.v), dparams};
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
  return call_forward(in, spec, in.q.is_cuda() ? in.q.scalar_type() : at::kFloat);
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
      op.call(grad, in.q, in.k, in.v, in.params, saved.o, saved.den, saved.S, saved.z, in.key_mask,
              in.cu_seqlens, spec.feature_map, spec.activation, spec.nonneg, spec.envelope,
              spec.ch_rms_target, spec.psi, spec.denominator, spec.eps, spec.feature_eps,
              spec.causal, pack(wanted));
  const auto given = [](const at::Tensor& x, bool flag) { return flag ? x : at::Tensor(); };
  Gradients out{given(dq, wanted.q), given(dk, wanted.k), given(dv, wanted.v), dparams};
  for (size_t i = 0; i < out.params.size(); ++i) {
    out.params[i] = given(out.params[i], wanted.params[i]);
  }
  return out;
}

}  // namespace luna::ops
