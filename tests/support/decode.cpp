#include "tests/support/decode.h"

namespace luna::test {

Prefilled prefill(const ops::Inputs& given, const ops::Spec& spec, int64_t tokens) {
  const ops::Inputs in = move_to(given, fused_device());
  const auto prompt = [&](const at::Tensor& x) { return x.narrow(2, 0, tokens); };
  LunaOptions options = options_of(spec);
  if (in.key_mask) options.key_mask = in.key_mask->narrow(1, 0, tokens);
  options.cu_seqlens = in.cu_seqlens;
  Prefilled all = spec.learned() ? luna_prefill(prompt(in.q), prompt(in.k), prompt(in.v),
                                                luna_params(in), options)
                                 : fixed_prefill(prompt(in.q), prompt(in.k), prompt(in.v),
                                                 spec.feature_map, in.params, options);
  all.out = all.out.to(c10::kCPU);
  return all;
}

at::Tensor decode_step(const ops::Inputs& given, const ops::Spec& spec, int64_t n,
                       const at::Tensor& state, const at::Tensor& norm) {
  const ops::Inputs in = move_to(given, fused_device());
  const auto token = [&](const at::Tensor& x) { return x.select(2, n); };
  const at::Tensor positions = at::full({in.q.size(0)}, n, in.q.options().dtype(at::kLong));
  const at::Tensor out =
      spec.learned() ? luna_decode_step(token(in.q), token(in.k), token(in.v), state, norm,
                                        luna_params(in), options_of(spec))
                     : fixed_decode_step(token(in.q), token(in.k), token(in.v), state, norm,
                                         spec.feature_map, in.params, options_of(spec), positions);
  return out.to(c10::kCPU);
}

}  // namespace luna::test
