#include "experiments/bench/selftest_operators.h"

#include "runtime/luna.h"
#include "runtime/ops/reference.h"

namespace luna::bench {
namespace {

LunaOptions options_of(const ops::Spec& spec) {
  LunaOptions options;
  options.causal = spec.causal;
  options.denominator = spec.denominator;
  options.eps = spec.eps;
  options.activation = spec.activation;
  options.envelope = spec.envelope;
  options.ch_rms_target = spec.ch_rms_target;
  options.psi = spec.psi;
  options.feature_eps = spec.feature_eps;
  return options;
}

LunaParams luna_params(const Inputs& in) {
  const auto& p = in.params;
  return {p[0], p[1], p[2], p[3], p[4], p[5]};
}

at::Tensor attention(const Inputs& in, const ops::Spec& spec, const std::optional<at::Tensor>& mask,
                     const std::optional<at::Tensor>& offsets) {
  LunaOptions options = options_of(spec);
  if (mask) options.key_mask = mask->to(in.q.device());
  if (offsets) options.cu_seqlens = offsets->to(in.q.device());
  return spec.learned() ? luna_attention(in.q, in.k, in.v, luna_params(in), options)
                        : fixed_attention(in.q, in.k, in.v, spec.feature_map, in.params, options);
}

/// The output of the last token; the state afterwards in `in`.
at::Tensor decoded(const Inputs& in, const ops::Spec& spec) {
  const int64_t last = in.q.size(2) - 1;
  const auto prompt = [&](const at::Tensor& x) { return x.narrow(2, 0, last); };
  const auto token = [&](const at::Tensor& x) { return x.select(2, last); };
  const at::Tensor positions = at::full({in.q.size(0)}, last, in.q.options().dtype(at::kLong));
  const LunaOptions options = options_of(spec);
  const std::string& map = spec.feature_map;
  const Prefilled before =
      spec.learned()
          ? luna_prefill(prompt(in.q), prompt(in.k), prompt(in.v), luna_params(in), options)
          : fixed_prefill(prompt(in.q), prompt(in.k), prompt(in.v), map, in.params, options);
  in.state.copy_(before.state);
  in.norm.copy_(before.norm);
  return spec.learned() ? luna_decode_step(token(in.q), token(in.k), token(in.v), in.state, in.norm,
                                           luna_params(in), options)
                        : fixed_decode_step(token(in.q), token(in.k), token(in.v), in.state,
                                            in.norm, map, in.params, options, positions);
}

/// The same by the formula.
at::Tensor decoded_by_formula(const Inputs& in, const ops::Spec& spec) {
  const ops::Inputs all{in.q, in.k, in.v, in.params, {}};
  const ops::DecodeState state = ops::reference_prefill(all, spec);
  in.state.copy_(state.state);
  in.norm.copy_(state.norm);
  return ops::reference_attention(all, spec).select(2, in.q.size(2) - 1);
}

}  // namespace

Operator operator_of(const ops::Spec& spec, Form form, const std::optional<at::Tensor>& mask,
                     const std::optional<at::Tensor>& offsets) {
  Operator op;
  if (form == Form::decoded) {
    op.apply = [spec](const Inputs& in) { return decoded(in, spec); };
    op.reference = [spec](const Inputs& in) { return decoded_by_formula(in, spec); };
    return op;
  }
  op.apply = [=](const Inputs& in) { return attention(in, spec, mask, offsets); };
  op.reference = [=](const Inputs& in) {
    return ops::reference_attention({in.q, in.k, in.v, in.params, mask, offsets}, spec);
  };
  return op;
}

}  // namespace luna::bench
