#include "runtime/ops/checks.h"

#include <c10/util/Exception.h>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/fixed_maps.h"

namespace luna::ops {
namespace {

using Names = std::vector<const char*>;

void check_name(const char* op, const char* argument, const std::string& given,
                const Names& names) {
  std::string listed;
  for (const char* name : names) {
    if (given == name) return;
    listed += (listed.empty() ? "" : ", ") + std::string(name);
  }
  TORCH_CHECK_VALUE(false, op, ": unknown ", argument, " \"", given, "\"; known: ", listed, ".");
}

/// others: names that are accepted beside the fixed maps'.
void check_fixed_map(const char* op, const std::string& name, Names others) {
  const Names fixed = fixed_map_names();
  others.insert(others.end(), fixed.begin(), fixed.end());
  check_name(op, "feature_map", name, others);
}

void check_names(const char* op, const Spec& spec) {
  check_fixed_map(op, spec.feature_map, {"luna"});
  check_name(op, "activation", spec.activation, {"relu", "gelu", "silu"});
  check_name(op, "envelope", spec.envelope, {"none", "exp", "norm"});
  check_name(op, "psi", spec.psi, {"auto", "dense", "pwl"});
  check_name(op, "denominator", spec.denominator, {"add_eps", "clamp_min"});
}

void check_numbers(const char* op, const Spec& spec) {
  TORCH_CHECK_VALUE(spec.eps >= 0, op, ": eps must be >= 0, got ", spec.eps, ".");
  TORCH_CHECK_VALUE(spec.ch_rms_target >= 0, op, ": ch_rms_target must be >= 0 (0: off), got ",
                    spec.ch_rms_target, ".");
  TORCH_CHECK_VALUE(std::isfinite(spec.feature_eps), op, ": feature_eps must be finite, got ",
                    spec.feature_eps, ".");
  TORCH_CHECK_VALUE(spec.psi != "pwl" || spec.activation == "relu", op,
                    ": psi \"pwl\" needs activation \"relu\", got \"", spec.activation,
                    "\", which is not piecewise linear; use psi \"dense\" or \"auto\".");
  TORCH_CHECK_VALUE(
      !spec.causal || spec.ch_rms_target == 0, op,
      ": causal with ch_rms_target > 0 is refused: the RMS over all tokens would show a token "
      "the future; set ch_rms_target=0.");
}

void check_dense(const char* op, const char* name, const at::Tensor& x) {
  TORCH_CHECK_VALUE(x.layout() == at::kStrided && !x.is_nested(), op, ": ", name,
                    " must be a dense tensor, got a ",
                    x.is_nested() ? "Nested" : c10::str(x.layout()), " one; pass a dense copy.");
}

void check_rank4(const char* op, const char* name, const char* shape, const at::Tensor& x) {
  TORCH_CHECK_VALUE(x.dim() == 4, op, ": ", name, " must be ", shape, ", got shape ", x.sym_sizes(),
                    ".");
}

void check_causal(const char* op, const Inputs& in, const Spec& spec) {
  const c10::SymInt Nq = in.q.sym_size(2), N = in.k.sym_size(2);
  TORCH_CHECK_VALUE(!spec.causal || Nq == N, op,
                    ": causal needs as many queries as keys, got Nq = ", Nq, " and N = ", N, ".");
}

void check_qkv(const char* op, const Inputs& in) {
  check_dense(op, "q", in.q);
  check_dense(op, "k", in.k);
  check_dense(op, "v", in.v);
  check_rank4(op, "q", "[B, H, Nq, d]", in.q);
  check_rank4(op, "k", "[B, Hk, N, d]", in.k);
  check_rank4(op, "v", "[B, Hk, N, dv]", in.v);
  const auto q = in.q.sym_sizes(), k = in.k.sym_sizes(), v = in.v.sym_sizes();
  TORCH_CHECK_VALUE(q[0] == k[0] && k[0] == v[0], op,
                    ": q, k and v must share the batch size B, got ", q[0], ", ", k[0], " and ",
                    v[0], ".");
  TORCH_CHECK_VALUE(k[1] == v[1], op, ": k and v must share the head count Hk, got ", k[1], " and ",
                    v[1], ".");
  TORCH_CHECK_VALUE(k[1] > 0 && q[1] % k[1] == 0, op,
                    ": k's head count Hk must divide q's H, got Hk = ", k[1], " and H = ", q[1],
                    ".");
  TORCH_CHECK_VALUE(k[2] == v[2], op, ": k and v must share the length N, got ", k[2], " and ",
                    v[2], ".");
  TORCH_CHECK_VALUE(q[3] == k[3], op, ": q and k must share the head size d, got ", q[3], " and ",
                    k[3], ".");
  TORCH_CHECK_VALUE(q[3] > 0 && v[3] > 0, op, ": d and dv must be > 0, got ", q[3], " and ", v[3],
                    ".");
}

void check_shape(const char* op, const char* name, const char* letters, const at::Tensor& x,
                 c10::SymIntArrayRef expected) {
  TORCH_CHECK_VALUE(x.sym_sizes() == expected, op, ": ", name, " must be ", letters, " = ",
                    expected, ", got ", x.sym_sizes(), ".");
}

void check_luna_params(const char* op, const Inputs& in, const Spec& spec) {
  const at::Tensor &proj = in.params[kProjWeight], &w1 = in.params[kW1], &w2 = in.params[kW2];
  const c10::SymInt d = in.q.sym_size(3);
  TORCH_CHECK_VALUE(proj.dim() == 2 && proj.sym_size(0) > 0 && proj.sym_size(1) == d, op,
                    ": proj_weight must be [m, d] with d = ", d, ", got ", proj.sym_sizes(), ".");
  check_shape(op, "proj_bias", "[m]", in.params[kProjBias], {proj.sym_size(0)});
  TORCH_CHECK_VALUE(w2.dim() == 2 && w2.sym_size(0) > 0, op, ": w2 must be [L, hid], got ",
                    w2.sym_sizes(), ".");
  const bool shared = w1.dim() == 1 && w1.sym_size(0) == w2.sym_size(1);
  TORCH_CHECK_VALUE(
      shared || w1.sym_sizes() == w2.sym_sizes(), op,
      ": w1 must be [hid] (shared psi) or [L, hid] (separate psi) as w2 = [L, hid] = ",
      w2.sym_sizes(), ", got ", w1.sym_sizes(), ".");
  check_shape(op, "b1", "as w1", in.params[kB1], w1.sym_sizes());
  check_shape(op, "b2", "[L]", in.params[kB2], {w2.sym_size(0)});
  TORCH_CHECK_VALUE(spec.psi != "pwl" || w1.sym_numel() <= kernels::kMaxKnots, op,
                    ": psi \"pwl\" takes at most ", kernels::kMaxKnots,
                    " hidden units (one knot each), got ", w1.sym_numel(),
                    "; use psi \"dense\" or \"auto\".");
}

void check_params(const char* op, const Inputs& in, const Spec& spec) {
  const bool projected = !spec.learned() && !find_fixed_map(spec.feature_map)->elementwise();
  const size_t expected = spec.learned() ? kLunaParams : projected ? 1 : 0;
  TORCH_CHECK_VALUE(in.params.size() == expected, op, ": feature map \"", spec.feature_map,
                    "\" takes ", expected, " parameters", projected ? " (W [m, d])" : "", ", got ",
                    in.params.size(), ".");
  if (spec.learned()) return check_luna_params(op, in, spec);
  if (expected == 0) return;
  const at::Tensor& w = in.params[0];
  TORCH_CHECK_VALUE(w.dim() == 2 && w.sym_size(0) > 0 && w.sym_size(1) == in.q.sym_size(3), op,
                    ": performer's W must be [m, d] with d = ", in.q.sym_size(3), ", got ",
                    w.sym_sizes(), ".");
  TORCH_CHECK_VALUE(!w.requires_grad(), op,
                    ": performer's W is a fixed draw and gets no gradient; pass W.detach().");
}

const char* param_name(const Spec& spec, size_t i) {
  static constexpr const char* kNames[] = {"proj_weight", "proj_bias", "w1", "b1", "w2", "b2"};
  return spec.learned() ? kNames[i] : "W";
}

void check_same(const char* op, const char* name, const at::Tensor& q, const at::Tensor& x) {
  TORCH_CHECK_TYPE(x.scalar_type() == q.scalar_type(), op, ": ", name, " must have q's dtype ",
                   q.scalar_type(), ", got ", x.scalar_type(), ".");
  TORCH_CHECK_VALUE(x.device() == q.device(), op, ": ", name, " must be on q's device ", q.device(),
                    ", got ", x.device(), ".");
}

void check_mask(const char* op, const Inputs& in) {
  if (!in.key_mask) return;
  TORCH_CHECK_TYPE(in.key_mask->scalar_type() == at::kBool, op,
                   ": key_mask must be bool (true = keep), got ", in.key_mask->scalar_type(), ".");
  check_shape(op, "key_mask", "[B, N]", *in.key_mask, {in.k.sym_size(0), in.k.sym_size(2)});
  TORCH_CHECK_VALUE(in.key_mask->device() == in.q.device(), op, ": key_mask must be on q's device ",
                    in.q.device(), ", got ", in.key_mask->device(), ".");
}

}  // namespace

void check_fixed_map(const char* op, const std::string& name) { check_fixed_map(op, name, {}); }

void check(const char* op, const Inputs& inputs, const Spec& spec) {
  check_names(op, spec);
  check_numbers(op, spec);
  check_qkv(op, inputs);
  check_causal(op, inputs, spec);
  TORCH_CHECK_TYPE(inputs.q.is_floating_point(), op, ": q must be floating point, got ",
                   inputs.q.scalar_type(), ".");
  check_same(op, "k", inputs.q, inputs.k);
  check_same(op, "v", inputs.q, inputs.v);
  check_params(op, inputs, spec);
  for (size_t i = 0; i < inputs.params.size(); ++i) {
    check_same(op, param_name(spec, i), inputs.q, inputs.params[i]);
  }
  check_mask(op, inputs);
}

void check_built(const char* op, const Inputs& inputs, const Spec& spec) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      inputs.q.scalar_type() == at::kFloat, op, ": dtype ", inputs.q.scalar_type(),
      " is not built yet, only Float; cast the inputs, or ", "use luna::reference_attention.");
  TORCH_CHECK_NOT_IMPLEMENTED(!spec.causal || inputs.q.is_cpu(), op,
                              ": causal=True is not built yet on ", inputs.q.device(),
                              "; use luna::reference_attention.");
}

}  // namespace luna::ops
