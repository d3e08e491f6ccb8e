// Autograd wiring of the internal operators. The forward saves its inputs, (o, den, S, z, M) and
// what sums it keeps; the backward is an operator of its own, computes what is asked for, and
// cannot be differentiated again.
#include <ATen/functorch/DynamicLayer.h>
#include <c10/core/impl/TorchDispatchModeTLS.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/ops/internal.h"
#include "runtime/ops/kept_sums.h"

namespace luna::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Spec as values an AutogradContext can hold (and compiled autograd can trace).
void save(AutogradContext* context, const Spec& spec) {
  context->saved_data["names"] = std::vector<std::string>{
      spec.feature_map, spec.activation, spec.envelope, spec.psi, spec.denominator};
  context->saved_data["numbers"] =
      std::vector<double>{spec.nonneg ? 1.0 : 0.0, spec.ch_rms_target, spec.eps, spec.feature_eps,
                          spec.causal ? 1.0 : 0.0};
}

Spec load(AutogradContext* context) {
  const auto names = context->saved_data["names"].toListRef();
  const std::vector<double> numbers = context->saved_data["numbers"].toDoubleVector();
  Spec spec;
  spec.feature_map = names[0].toStringRef();
  spec.activation = names[1].toStringRef();
  spec.envelope = names[2].toStringRef();
  spec.psi = names[3].toStringRef();
  spec.denominator = names[4].toStringRef();
  spec.nonneg = numbers[0] != 0.0;
  spec.ch_rms_target = numbers[1];
  spec.eps = numbers[2];
  spec.feature_eps = numbers[3];
  spec.causal = numbers[4] != 0.0;
  return spec;
}

bool any_requires_grad(at::TensorList tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const at::Tensor& x) { return x.defined() && x.requires_grad(); });
}

/// Whether no mode or subclass of Python's stands between: it may answer for the kernels, as
/// selective checkpointing does, or call them more than once.
bool reaches_kernels(at::TensorList tensors) {
  return !c10::impl::TorchDispatchModeTLS::any_modes_set() &&
         std::none_of(tensors.begin(), tensors.end(), [](const at::Tensor& x) {
           return x.key_set().has(c10::DispatchKey::Python);
         });
}

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, at::TensorList params, Mask key_mask,
                               Offsets cu_seqlens, const Spec& spec, at::ScalarType o_type) {
    // Sums over keys serve gradients of parameters, causal those of queries too.
    const bool serves = any_requires_grad(params) || (spec.causal && q.requires_grad());
    KeptSums kept(serves && reaches_kernels({q, k, v}) && reaches_kernels(params));
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    // Saved in float32, whose digits the gradients' differences need.
    auto [o, den, S, z, M] =
        call_forward({q, k, v, params.vec(), key_mask, cu_seqlens}, spec, at::kFloat);
    variable_list saved{q,
                        k,
                        v,
                        o,
                        den,
                        S,
                        z,
                        M,
                        key_mask.value_or(at::Tensor()),
                        cu_seqlens.value_or(at::Tensor())};
    saved.insert(saved.end(), params.begin(), params.end());
    saved.insert(saved.end(), kept.sums.begin(), kept.sums.end());
    context->saved_data["params"] = static_cast<int64_t>(params.size());
    context->save_for_backward(std::move(saved));
    context->mark_non_differentiable({den, S, z, M});
    context->set_materialize_grads(false);
    save(context, spec);
    return {o.scalar_type() == o_type ? o : o.to(o_type), den, S, z, M};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const auto params = saved.begin() + 10, sums = params + context->saved_data["params"].toInt();
    Inputs in{saved[0], saved[1], saved[2], {params, sums}, {}};
    if (saved[8].defined()) in.key_mask = saved[8];
    if (saved[9].defined()) in.cu_seqlens = saved[9];
    variable_list out(3 + in.params.size() + 4);  // what follows has none
    if (!grads[0].defined()) return out;
    WantedGradients wanted{context->needs_input_grad(0),
                           context->needs_input_grad(1),
                           context->needs_input_grad(2),
                           {}};
    for (size_t i = 0; i < in.params.size(); ++i) {
      wanted.params.push_back(context->needs_input_grad(3 + i));
    }
    const KeptSums kept(variable_list(sums, saved.end()));
    const Gradients result = call_backward(
        grads[0], in, {saved[3], saved[4], saved[5], saved[6], saved[7]}, load(context), wanted);
    out[0] = result.q;
    out[1] = result.k;
    out[2] = result.v;
    std::copy(result.params.begin(), result.params.end(), out.begin() + 3);
    return out;
  }
};

/// Passes the gradients through; differentiating them is refused.
class OnceDifferentiable : public torch::autograd::Function<OnceDifferentiable> {
 public:
  static variable_list forward(AutogradContext* context, at::TensorList /*inputs*/,
                               const variable_list& outputs) {
    context->set_materialize_grads(false);
    return outputs;
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK_NOT_IMPLEMENTED(
        false, "luna: the gradient of a fused attention cannot be differentiated again; use ",
        "luna::reference_attention where second derivatives are needed.");
  }
};

/// Without this a forward-mode tangent would be dropped in silence.
void refuse_tangents(at::TensorList tensors) {
  for (const at::Tensor& x : tensors) {
    TORCH_CHECK_NOT_IMPLEMENTED(
        !x.defined() || !x._fw_grad(/*level=*/0).defined(),
        "luna: a fused attention has no forward-mode derivative; use reverse mode, or "
        "luna::reference_attention.");
  }
}

/// torch.func.grad, vjp, jacrev: torch lets no autograd function of C++ into them.
void refuse_func() {
  TORCH_CHECK_NOT_IMPLEMENTED(!at::functorch::maybeCurrentDynamicLayer(),
                              "luna: torch.func does not reach through a fused attention; use "
                              "torch.autograd.grad, or luna::reference_attention.");
}

}  // namespace

ForwardOut forward_autograd(const Inputs& in, const Spec& spec) {
  refuse_tangents({in.q, in.k, in.v});
  refuse_tangents(in.params);
  if (!at::GradMode::is_enabled() ||
      !(any_requires_grad({in.q, in.k, in.v}) || any_requires_grad(in.params))) {
    const KeptSums none(false);
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    return call_forward(in, spec, spec.o_type);
  }
  refuse_func();
  const variable_list out = AttentionFunction::apply(in.q, in.k, in.v, at::TensorList(in.params),
                                                     in.key_mask, in.cu_seqlens, spec, spec.o_type);
  return {out[0], out[1], out[2], out[3], out[4]};
}

BackwardOut backward_autograd(const at::Tensor& grad, const Inputs& in,
                              const kernels::Forward& saved, const Spec& spec,
                              const WantedGradients& wanted) {
  refuse_tangents({grad, in.q, in.k, in.v});
  refuse_tangents(in.params);
  Gradients result;
  {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    result = call_backward(grad, in, saved, spec, wanted);
  }
  variable_list flat{result.q, result.k, result.v};
  flat.insert(flat.end(), result.params.begin(), result.params.end());
  variable_list inputs{grad, in.q, in.k, in.v};
  inputs.insert(inputs.end(), in.params.begin(), in.params.end());
  for (at::Tensor& x : flat) x = x.defined() ? x : at::empty({0}, in.q.options());
  if (at::GradMode::is_enabled() && any_requires_grad(inputs)) {
    flat = OnceDifferentiable::apply(at::TensorList(inputs), flat);
  }
  return {flat[0], flat[1], flat[2], {flat.begin() + 3, flat.end()}};
}

}  // namespace luna::ops
