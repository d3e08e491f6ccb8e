// Schemas and registrations of torch.ops.luna.*: the same operators for C++ and Python.
#include <torch/library.h>

#include "runtime/luna.h"
#include "runtime/ops/autocast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"
#include "runtime/ops/performer.h"
#include "runtime/ops/reference.h"

namespace luna::ops {
namespace {

at::Tensor luna_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& proj_weight, const at::Tensor& proj_bias,
                          const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                          const at::Tensor& b2, std::string activation, bool nonneg,
                          std::string envelope, double ch_rms_target, std::string psi, bool causal,
                          Mask key_mask, std::string denominator, double eps, double feature_eps,
                          Offsets cu_seqlens) {
  const Spec spec{"luna", activation,  nonneg, envelope,    ch_rms_target,
                  psi,    denominator, eps,    feature_eps, causal};
  const Inputs in{q, k, v, {proj_weight, proj_bias, w1, b1, w2, b2}, key_mask, cu_seqlens};
  return std::get<0>(fused_forward("luna_attention", in, spec)).to(q.scalar_type());
}

at::Tensor fixed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           std::string feature_map, at::TensorList params, bool causal,
                           Mask key_mask, std::string denominator, double eps, Offsets cu_seqlens) {
  check_fixed_map("fixed_attention", feature_map);
  const Inputs in{q, k, v, params.vec(), key_mask, cu_seqlens};
  const Spec spec = fixed_spec(feature_map, denominator, eps, causal);
  return std::get<0>(fused_forward("fixed_attention", in, spec)).to(q.scalar_type());
}

at::Tensor reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     std::string feature_map, at::TensorList params, std::string activation,
                     bool nonneg, std::string envelope, double ch_rms_target, bool causal,
                     Mask key_mask, std::string denominator, double eps, double feature_eps,
                     Offsets cu_seqlens) {
  const Spec spec{feature_map, activation,  nonneg, envelope,    ch_rms_target,
                  "dense",     denominator, eps,    feature_eps, causal};
  const Inputs in{q, k, v, params.vec(), key_mask, cu_seqlens};
  check("reference_attention", in, spec);
  return reference_attention(in, spec);
}

std::vector<at::Tensor> draw_initial_params(std::string feature_map, int64_t m, int64_t d,
                                            std::optional<at::Generator> generator) {
  return draw_feature_map(feature_map, m, d, std::move(generator));
}

const std::string kOptions =
    "str feature_map, str activation, bool nonneg, str envelope, float ch_rms_target, str psi, "
    "str denominator, float eps, float feature_eps, bool causal";

void register_kernels(torch::Library& library) {
  library.impl("_attention_forward", &forward_op<forward_kernel>);
  library.impl("_attention_backward", &backward_op<backward_kernel>);
}

void register_autocast(torch::Library& library) {
  library.impl("luna_attention", autocast<&luna_attention>);
  library.impl("fixed_attention", autocast<&fixed_attention>);
}

}  // namespace

TORCH_LIBRARY(luna, library) {
  library.def(
      "luna_attention(Tensor q, Tensor k, Tensor v, Tensor proj_weight, Tensor proj_bias, "
      "Tensor w1, Tensor b1, Tensor w2, Tensor b2, *, str activation=\"relu\", bool nonneg=True, "
      "str envelope=\"none\", float ch_rms_target=0.0, str psi=\"auto\", bool causal=False, "
      "Tensor? key_mask=None, str denominator=\"add_eps\", float eps=1e-6, float feature_eps=0.0, "
      "Tensor? cu_seqlens=None) -> Tensor",
      &luna_attention);
  library.def(
      "fixed_attention(Tensor q, Tensor k, Tensor v, str feature_map, Tensor[] params, *, "
      "bool causal=False, Tensor? key_mask=None, str denominator=\"add_eps\", float eps=1e-6, "
      "Tensor? cu_seqlens=None) -> Tensor",
      &fixed_attention);
  library.def(
      "reference_attention(Tensor q, Tensor k, Tensor v, str feature_map, Tensor[] params, *, "
      "str activation=\"relu\", bool nonneg=True, str envelope=\"none\", float ch_rms_target=0.0, "
      "bool causal=False, Tensor? key_mask=None, str denominator=\"add_eps\", float eps=1e-6, "
      "float feature_eps=0.0, Tensor? cu_seqlens=None) -> Tensor",
      &reference);
  library.def("performer_projection(int m, int d, *, Generator? generator=None) -> Tensor",
              &performer_projection);
  library.def(
      "draw_feature_map(str feature_map, int m, int d, *, Generator? generator=None) -> Tensor[]",
      &draw_initial_params);
  const std::string forward =
      "_attention_forward(Tensor q, Tensor k, Tensor v, Tensor[] params, Tensor? key_mask, "
      "Tensor? cu_seqlens, " +
      kOptions + ", ScalarType o_type) -> (Tensor o, Tensor den, Tensor S, Tensor z, Tensor M)";
  const std::string backward =
      "_attention_backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor[] params, Tensor o, "
      "Tensor den, Tensor S, Tensor z, Tensor M, Tensor? key_mask, Tensor? cu_seqlens, " +
      kOptions + ", bool[] wanted) -> (Tensor dq, Tensor dk, Tensor dv, Tensor[] dparams)";
  library.def(forward.c_str());
  library.def(backward.c_str());
}

/// Under torch.vmap it is its own formula, operator by operator.
TORCH_LIBRARY_IMPL(luna, FuncTorchBatchedDecomposition, library) {
  library.impl("reference_attention", &reference);
}

TORCH_LIBRARY_IMPL(luna, CPU, library) { register_kernels(library); }

TORCH_LIBRARY_IMPL(luna, AutocastCPU, library) { register_autocast(library); }

TORCH_LIBRARY_IMPL(luna, AutocastCUDA, library) { register_autocast(library); }

TORCH_LIBRARY_IMPL(luna, CUDA, library) { register_kernels(library); }

TORCH_LIBRARY_IMPL(luna, Meta, library) {
  library.impl("_attention_forward", &forward_op<forward_shapes>);
  library.impl("_attention_backward", &backward_op<backward_shapes>);
}

TORCH_LIBRARY_IMPL(luna, Autograd, library) {
  library.impl("_attention_forward", &forward_op<forward_autograd>);
  library.impl("_attention_backward", &backward_op<backward_autograd>);
}

}  // namespace luna::ops
