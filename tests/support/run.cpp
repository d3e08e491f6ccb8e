// One run of an operator over a case's tensors (inputs.h).
#include <torch/csrc/autograd/autograd.h>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/param_checks.h"
#include "runtime/ops/reference.h"
#include "tests/support/inputs.h"

namespace luna::test {

ops::Inputs move_to(const ops::Inputs& inputs, c10::Device device) {
  ops::Inputs out = inputs;
  for (at::Tensor* x : {&out.q, &out.k, &out.v}) *x = x->to(device);
  for (at::Tensor& parameter : out.params) parameter = parameter.to(device);
  if (out.key_mask) out.key_mask = out.key_mask->to(device);
  if (out.cu_seqlens) out.cu_seqlens = out.cu_seqlens->to(device);
  return out;
}

c10::Device fused_device() {
  const char* name = std::getenv("LUNA_TEST_DEVICE");
  return name && *name ? c10::Device(std::string(name)) : c10::Device(c10::kCPU);
}

LunaParams luna_params(const ops::Inputs& in) {
  const auto& p = in.params;
  return {p[0], p[1], p[2], p[3], p[4], p[5]};
}

LunaOptions options_of(const ops::Spec& spec) {
  LunaOptions options;
  options.causal = spec.causal;
  options.denominator = spec.denominator;
  options.eps = spec.eps;
  options.activation = spec.activation;
  options.nonneg = spec.nonneg;
  options.envelope = spec.envelope;
  options.ch_rms_target = spec.ch_rms_target;
  options.psi = spec.psi;
  options.feature_eps = spec.feature_eps;
  return options;
}

at::Tensor run_forward(const ops::Inputs& in, const ops::Spec& spec, Through through) {
  if (through == Through::fused && in.q.is_cpu() && !fused_device().is_cpu()) {
    return run_forward(move_to(in, fused_device()), spec, through).to(c10::kCPU);
  }
  if (through == Through::reference) return ops::reference_attention(in, spec);
  if (through == Through::numerator) {
    const auto [numerator, denominator] = ops::reference_quotient(in, spec);
    return numerator / denominator.detach();
  }
  LunaOptions options = options_of(spec);
  options.key_mask = in.key_mask;
  options.cu_seqlens = in.cu_seqlens;
  return spec.learned() ? luna_attention(in.q, in.k, in.v, luna_params(in), options)
                        : fixed_attention(in.q, in.k, in.v, spec.feature_map, in.params, options);
}

Result run(const ops::Inputs& inputs, const ops::Spec& spec, const at::Tensor& grad,
           Through through, at::ScalarType dtype) {
  const auto leaf = [&](const at::Tensor& x) { return x.detach().to(dtype).requires_grad_(true); };
  ops::Inputs in = inputs;
  in.q = leaf(inputs.q);
  in.k = leaf(inputs.k);
  in.v = leaf(inputs.v);
  Result result{{"out", "dq", "dk", "dv"}, {}};
  torch::autograd::variable_list leaves{in.q, in.k, in.v};
  for (size_t i = 0; i < inputs.params.size(); ++i) {
    const bool trained = spec.learned() || ops::find_fixed_map(spec.feature_map).params()[i].kind ==
                                               ops::ParamKind::trained;
    in.params[i] = trained ? leaf(inputs.params[i]) : inputs.params[i].detach().to(dtype);
    if (!trained) continue;
    leaves.push_back(in.params[i]);
    result.names.push_back("d" + std::string(ops::param_name(spec, i)));
  }
  const at::Tensor out = run_forward(in, spec, through);
  result.tensors =
      torch::autograd::grad({out}, leaves, {grad.to(dtype)}, {}, false, /*allow_unused=*/true);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!result.tensors[i].defined()) result.tensors[i] = at::zeros_like(leaves[i]);
  }
  result.tensors.insert(result.tensors.begin(), out.detach());
  return result;
}

}  // namespace luna::test
