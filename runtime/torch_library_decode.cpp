// Schemas and registrations of torch.ops.luna.*_prefill and *_decode_step.
#include <torch/library.h>

#include "runtime/ops/autocast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/decode.h"
#include "runtime/ops/internal.h"

namespace luna::ops {
namespace {

using Prefilled = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

/// The causal forward with the state it ends with.
Prefilled prefill(const char* op, const Inputs& in, const Spec& spec) {
  const auto [o, den, S, z, M] = fused_forward(op, in, spec);
  return {o.to(in.q.scalar_type()), S, z};
}

Prefilled luna_prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const at::Tensor& proj_weight, const at::Tensor& proj_bias,
                       const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                       const at::Tensor& b2, std::string activation, bool nonneg,
                       std::string envelope, double ch_rms_target, std::string psi, Mask key_mask,
                       std::string denominator, double eps, double feature_eps,
                       Offsets cu_seqlens) {
  const Spec spec{"luna", activation,  nonneg, envelope,    ch_rms_target,
                  psi,    denominator, eps,    feature_eps, /*causal=*/true};
  return prefill("luna_prefill",
                 {q, k, v, {proj_weight, proj_bias, w1, b1, w2, b2}, key_mask, cu_seqlens}, spec);
}

Prefilled fixed_prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        std::string feature_map, at::TensorList params, Mask key_mask,
                        std::string denominator, double eps, Offsets cu_seqlens) {
  check_fixed_map("fixed_prefill", feature_map);
  return prefill("fixed_prefill", {q, k, v, params.vec(), key_mask, cu_seqlens},
                 fixed_spec(feature_map, denominator, eps, /*causal=*/true));
}

at::Tensor luna_decode_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& state, const at::Tensor& norm,
                            const at::Tensor& proj_weight, const at::Tensor& proj_bias,
                            const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                            const at::Tensor& b2, std::string activation, bool nonneg,
                            std::string envelope, double ch_rms_target, std::string psi,
                            std::string denominator, double eps, double feature_eps) {
  const Spec spec{"luna", activation,  nonneg, envelope,    ch_rms_target,
                  psi,    denominator, eps,    feature_eps, /*causal=*/true};
  const Inputs token{q, k, v, {proj_weight, proj_bias, w1, b1, w2, b2}, {}};
  return decode_step("luna_decode_step", {token, state, norm}, spec);
}

at::Tensor fixed_decode_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& state, const at::Tensor& norm,
                             std::string feature_map, at::TensorList params,
                             const std::optional<at::Tensor>& positions, std::string denominator,
                             double eps) {
  check_fixed_map("fixed_decode_step", feature_map);
  Inputs token{q, k, v, params.vec(), {}};
  token.positions = positions;
  return decode_step("fixed_decode_step", {token, state, norm},
                     fixed_spec(feature_map, denominator, eps, /*causal=*/true));
}

const std::string kPsi =
    "Tensor proj_weight, Tensor proj_bias, Tensor w1, Tensor b1, Tensor w2, Tensor b2, *, "
    "str activation=\"relu\", bool nonneg=True, str envelope=\"none\", float ch_rms_target=0.0, "
    "str psi=\"auto\", ";
const std::string kRule = "str denominator=\"add_eps\", float eps=1e-6";
const std::string kPrefilled = ") -> (Tensor out, Tensor state, Tensor norm)";

void register_decode_autocast(torch::Library& library) {
  library.impl("luna_prefill", autocast<&luna_prefill>);
  library.impl("fixed_prefill", autocast<&fixed_prefill>);
  library.impl("luna_decode_step", autocast<&luna_decode_step>);
  library.impl("fixed_decode_step", autocast<&fixed_decode_step>);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(luna, library) {
  const auto define = [&](const std::string& schema, auto* op) { library.def(schema.c_str(), op); };
  const std::string tokens = "(Tensor q, Tensor k, Tensor v, ";
  const std::string step = tokens + "Tensor(a!) state, Tensor(b!) norm, ";
  define("luna_prefill" + tokens + kPsi + "Tensor? key_mask=None, " + kRule +
             ", float feature_eps=0.0, Tensor? cu_seqlens=None" + kPrefilled,
         &luna_prefill);
  define("fixed_prefill" + tokens + "str feature_map, Tensor[] params, *, Tensor? key_mask=None, " +
             kRule + ", Tensor? cu_seqlens=None" + kPrefilled,
         &fixed_prefill);
  define("luna_decode_step" + step + kPsi + kRule + ", float feature_eps=0.0) -> Tensor",
         &luna_decode_step);
  define("fixed_decode_step" + step +
             "str feature_map, Tensor[] params, *, Tensor? positions=None, " + kRule +
             ") -> Tensor",
         &fixed_decode_step);
  const std::string internal =
      "_decode_step" + step +
      "Tensor[] params, Tensor? positions, str feature_map, str activation, bool nonneg, "
      "str envelope, str psi, str denominator, float eps, float feature_eps) -> Tensor";
  library.def(internal.c_str());
}

TORCH_LIBRARY_IMPL(luna, CPU, library) { library.impl("_decode_step", &decode_kernel); }

TORCH_LIBRARY_IMPL(luna, CUDA, library) { library.impl("_decode_step", &decode_kernel); }

TORCH_LIBRARY_IMPL(luna, Meta, library) { library.impl("_decode_step", &decode_shapes); }

TORCH_LIBRARY_IMPL(luna, Autograd, library) { library.impl("_decode_step", &decode_autograd); }

/// torch's fallback for views with the negative bit ends in an assertion where what is updated in
/// place is one: check_step() refuses it, and the internal operator's fallback resolves what is
/// read.
TORCH_LIBRARY_IMPL(luna, Negative, library) {
  library.impl("luna_decode_step", torch::CppFunction::makeFallthrough());
  library.impl("fixed_decode_step", torch::CppFunction::makeFallthrough());
}

TORCH_LIBRARY_IMPL(luna, AutocastCPU, library) { register_decode_autocast(library); }

TORCH_LIBRARY_IMPL(luna, AutocastCUDA, library) { register_decode_autocast(library); }

}  // namespace luna::ops
