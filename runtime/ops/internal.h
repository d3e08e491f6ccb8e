// The internal operators luna::_attention_forward and luna::_attention_backward, which the public
// ones call:
//   forward  -> (o [B, H, Nq, dv] of o_type, den [B, H, Nq], S [B, Hk, D, dv], z [B, Hk, D],
//   M [B, Hk] or no elements; packed: the last three of the S sequences, [S, Hk, ...])
//   backward -> (dq, dk, dv, dparams), zero-element tensors where `wanted` (q, k, v, then
//   params) is false
// One argument list each for the kernels' implementation, the shape function and the autograd
// wiring.
#pragma once

#include "runtime/ops/attention.h"
#include "runtime/ops/spec.h"

namespace luna::ops {

using Mask = const std::optional<at::Tensor>&;
using Offsets = const std::optional<at::Tensor>&;
using ForwardOut = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using BackwardOut = std::tuple<at::Tensor, at::Tensor, at::Tensor, std::vector<at::Tensor>>;

/// What an implementation of theirs is given; Spec::o_type is the forward's o_type.
using ForwardBody = ForwardOut(const Inputs& inputs, const Spec& spec);
using BackwardBody = BackwardOut(const at::Tensor& grad, const Inputs& inputs,
                                 const kernels::Forward& saved, const Spec& spec,
                                 const WantedGradients& wanted);

ForwardBody forward_kernel, forward_shapes, forward_autograd;
BackwardBody backward_kernel, backward_shapes, backward_autograd;

WantedGradients unpack(const c10::List<bool>& wanted);

/// An implementation with the operator's own arguments.
template <ForwardBody* body>
ForwardOut forward_op(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      at::TensorList params, Mask key_mask, Offsets cu_seqlens,
                      std::string feature_map, std::string activation, bool nonneg,
                      std::string envelope, double ch_rms_target, std::string psi,
                      std::string denominator, double eps, double feature_eps, bool causal,
                      at::ScalarType o_type) {
  return body({q, k, v, params.vec(), key_mask, cu_seqlens},
              {feature_map, activation, nonneg, envelope, ch_rms_target, psi, denominator, eps,
               feature_eps, causal, o_type});
}

template <BackwardBody* body>
BackwardOut backward_op(const at::Tensor& grad, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, at::TensorList params, const at::Tensor& o,
                        const at::Tensor& den, const at::Tensor& S, const at::Tensor& z,
                        const at::Tensor& M, Mask key_mask, Offsets cu_seqlens,
                        std::string feature_map, std::string activation, bool nonneg,
                        std::string envelope, double ch_rms_target, std::string psi,
                        std::string denominator, double eps, double feature_eps, bool causal,
                        c10::List<bool> wanted) {
  return body(grad, {q, k, v, params.vec(), key_mask, cu_seqlens}, {o, den, S, z, M},
              {feature_map, activation, nonneg, envelope, ch_rms_target, psi, denominator, eps,
               feature_eps, causal},
              unpack(wanted));
}

using ForwardOp = decltype(forward_op<forward_kernel>);
using BackwardOp = decltype(backward_op<backward_kernel>);

/// D: features of one token.
c10::SymInt feature_count(const Inputs& inputs, const Spec& spec);
/// The shape of kernels::Forward::M of so many states of Hk heads.
std::vector<c10::SymInt> stabiliser_shape(const Spec& spec, const c10::SymInt& states,
                                          const c10::SymInt& Hk);

/// What every caller with inputs of its own goes through: checks them (op: the name that messages
/// begin with), takes any strides, then call_forward: o in q's dtype on CUDA, float32 on the CPU.
ForwardOut fused_forward(const char* op, Inputs inputs, const Spec& spec);

/// Through the dispatcher: autograd, tracing and shape functions included.
ForwardOut call_forward(const Inputs& inputs, const Spec& spec, at::ScalarType o_type);
Gradients call_backward(const at::Tensor& grad, const Inputs& inputs, const kernels::Forward& saved,
                        const Spec& spec, const WantedGradients& wanted);

}  // namespace luna::ops
