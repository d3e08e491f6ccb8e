#include "runtime/ops/checks.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"
#include "runtime/ops/packed.h"
#include "runtime/ops/param_checks.h"
#include "runtime/ops/quoted.h"
#include "runtime/psi/activation.h"

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
  TORCH_CHECK_VALUE(false, op, ": unknown ", argument, " ", quoted(given), "; known: ", listed,
                    ".");
}

/// others: names that are accepted beside the fixed maps'.
void check_fixed_map(const char* op, const std::string& name, const std::string& others) {
  std::string why;
  TORCH_CHECK_VALUE(find_fixed_map(name, &why, others), op, ": ", why, ".");
}

void check_names(const char* op, const Spec& spec) {
  if (!spec.learned()) check_fixed_map(op, spec.feature_map, "luna");
  check_name(op, "activation", spec.activation, {"relu", "gelu", "silu", "leaky_relu", "hardtanh"});
  check_name(op, "envelope", spec.envelope, {"none", "exp", "norm"});
  check_name(op, "psi", spec.psi, {"auto", "dense", "pwl"});
  check_name(op, "denominator", spec.denominator, {"add_eps", "clamp_min"});
}

/// The kernels take numbers as float32.
void check_finite(const char* op, const char* name, double value) {
  TORCH_CHECK_VALUE(std::isfinite(static_cast<float>(value)), op, ": ", name,
                    " must be finite in float32, got ", value, ".");
}

void check_numbers(const char* op, const Spec& spec) {
  TORCH_CHECK_VALUE(spec.eps >= 0, op, ": eps must be >= 0, got ", spec.eps, ".");
  TORCH_CHECK_VALUE(spec.ch_rms_target >= 0, op, ": ch_rms_target must be >= 0 (0: off), got ",
                    spec.ch_rms_target, ".");
  check_finite(op, "eps", spec.eps);
  check_finite(op, "ch_rms_target", spec.ch_rms_target);
  check_finite(op, "feature_eps", spec.feature_eps);
  TORCH_CHECK_VALUE(
      spec.psi != "pwl" || psi::piecewise_linear(spec.activation), op,
      ": psi \"pwl\" needs activation \"relu\", \"leaky_relu\" or \"hardtanh\", got \"",
      spec.activation, "\", which is not piecewise linear; use psi \"dense\" or \"auto\".");
  TORCH_CHECK_VALUE(
      !spec.causal || spec.ch_rms_target == 0, op,
      ": causal with ch_rms_target > 0 is refused: the RMS over all tokens would show a token "
      "the future; set ch_rms_target=0.");
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
  check_rank4(op, "q", "[B, H, Nq, d]", in.q);
  check_rank4(op, "k", "[B, Hk, N, d]", in.k);
  check_rank4(op, "v", "[B, Hk, N, dv]", in.v);
  const auto q = in.q.sym_sizes(), k = in.k.sym_sizes(), v = in.v.sym_sizes();
  TORCH_CHECK_VALUE(q[0] == k[0] && k[0] == v[0], op,
                    ": q, k and v must share the batch size B, got ", q[0], ", ", k[0], " and ",
                    v[0], ".");
  TORCH_CHECK_VALUE(k[1] == v[1], op, ": k and v must share the head count Hk, got ", k[1], " and ",
                    v[1], ".");
  TORCH_CHECK_VALUE(k[1] > 0 && q[1] > 0 && q[1] % k[1] == 0, op,
                    ": k's head count Hk must divide q's H, both > 0, got Hk = ", k[1],
                    " and H = ", q[1], ".");
  TORCH_CHECK_VALUE(k[2] == v[2], op, ": k and v must share the length N, got ", k[2], " and ",
                    v[2], ".");
  TORCH_CHECK_VALUE(q[3] == k[3], op, ": q and k must share the head size d, got ", q[3], " and ",
                    k[3], ".");
  TORCH_CHECK_VALUE(q[3] > 0 && v[3] > 0, op, ": d and dv must be > 0, got ", q[3], " and ", v[3],
                    ".");
}

void check_all_dense(const char* op, const Inputs& in, const Spec& spec) {
  const auto given = [&](const char* name, const std::optional<at::Tensor>& x) {
    if (x) check_dense(op, name, *x);
  };
  given("q", in.q);
  given("k", in.k);
  given("v", in.v);
  given("key_mask", in.key_mask);
  given("cu_seqlens", in.cu_seqlens);
  for (size_t i = 0; i < in.params.size(); ++i) given(param_name(spec, i), in.params[i]);
}

void check_device(const char* op, const char* name, const at::Tensor& q, const at::Tensor& x) {
  TORCH_CHECK_VALUE(x.device() == q.device(), op, ": ", name, " must be on q's device ", q.device(),
                    ", got ", x.device(), ".");
}

void check_same(const char* op, const char* name, const at::Tensor& q, const at::Tensor& x) {
  TORCH_CHECK_TYPE(x.scalar_type() == q.scalar_type(), op, ": ", name, " must have q's dtype ",
                   q.scalar_type(), ", got ", x.scalar_type(), ".");
  check_device(op, name, q, x);
}

/// Beside half precision parameters may stay float32.
void check_param_type(const char* op, const Inputs& in, const Spec& spec, size_t i) {
  const at::Tensor &q = in.q, &x = in.params[i];
  if (x.scalar_type() == q.scalar_type() && x.device() == q.device()) return;
  const std::string owner =
      spec.learned() ? "" : c10::str(find_fixed_map(spec.feature_map)->name, "'s ");
  const std::string name = owner + param_name(spec, i);
  const bool half = q.scalar_type() == at::kBFloat16 || q.scalar_type() == at::kHalf;
  if (!half || x.scalar_type() != at::kFloat) return check_same(op, name.c_str(), q, x);
  check_device(op, name.c_str(), q, x);
}

void check_mask(const char* op, const Inputs& in) {
  if (!in.key_mask) return;
  TORCH_CHECK_TYPE(in.key_mask->scalar_type() == at::kBool, op,
                   ": key_mask must be bool (true = keep), got ", in.key_mask->scalar_type(), ".");
  const auto expected = std::vector<c10::SymInt>{in.k.sym_size(0), in.k.sym_size(2)};
  TORCH_CHECK_VALUE(in.key_mask->sym_sizes() == c10::SymIntArrayRef(expected), op,
                    ": key_mask must be [B, N] = ", c10::SymIntArrayRef(expected), ", got ",
                    in.key_mask->sym_sizes(), ".");
  check_device(op, "key_mask", in.q, *in.key_mask);
}

void check_refusal(const char* op, const Inputs& in, const Spec& spec) {
  if (spec.learned()) return;
  const NamedMap map = find_fixed_map(spec.feature_map);
  const std::string why = map->refusal ? map->refusal(in, spec, map.option) : "";
  TORCH_CHECK_VALUE(why.empty(), op, ": ", why, ".");
}

constexpr int64_t kMostElements = (int64_t{1} << 31) - 1;

void check_elements(const char* op, const char* name, const c10::SymInt& count) {
  TORCH_CHECK_VALUE(count <= kMostElements, op, ": ", name, " may have at most ", kMostElements,
                    " elements, got ", count, "; split the batch or the heads.");
}

}  // namespace

void check_fixed_map(const char* op, const std::string& name) { check_fixed_map(op, name, ""); }

void check_dense(const char* op, const char* name, const at::Tensor& x) {
  TORCH_CHECK_VALUE(x.layout() == at::kStrided && !x.is_nested(), op, ": ", name,
                    " must be a dense tensor, got a ",
                    x.is_nested() ? "Nested" : c10::str(x.layout()), " one; pass a dense copy.");
}

void check(const char* op, const Inputs& inputs, const Spec& spec) {
  check_names(op, spec);
  check_numbers(op, spec);
  check_param_count(op, inputs, spec);
  check_all_dense(op, inputs, spec);
  check_qkv(op, inputs);
  check_causal(op, inputs, spec);
  TORCH_CHECK_TYPE(inputs.q.is_floating_point(), op, ": q must be floating point, got ",
                   inputs.q.scalar_type(), ".");
  check_same(op, "k", inputs.q, inputs.k);
  check_same(op, "v", inputs.q, inputs.v);
  check_params(op, inputs, spec);
  for (size_t i = 0; i < inputs.params.size(); ++i) {
    check_param_type(op, inputs, spec, i);
  }
  check_mask(op, inputs);
  check_values(op, inputs, spec);
}

std::vector<int64_t> check_values(const char* op, const Inputs& inputs, const Spec& spec) {
  std::vector<int64_t> begins = check_packed(op, inputs);
  check_refusal(op, inputs, spec);
  return begins;
}

void check_built(const char* op, const Inputs& inputs, const Spec& spec) {
  const at::ScalarType dtype = inputs.q.scalar_type();
  const bool half = dtype == at::kBFloat16 || dtype == at::kHalf;
  TORCH_CHECK_NOT_IMPLEMENTED(dtype == at::kFloat || half, op, ": dtype ", dtype,
                              " is not built on ", inputs.q.device(),
                              ", only Float, BFloat16 and Half; cast the inputs, or use "
                              "luna::reference_attention.");
  if (spec.learned()) check_psi_built(op, inputs, spec);
  const at::Tensor &q = inputs.q, &v = inputs.v;
  check_elements(op, "q", q.sym_numel());
  check_elements(op, "k", inputs.k.sym_numel());
  check_elements(op, "v", v.sym_numel());
  check_elements(op, "the output", q.sym_size(0) * q.sym_size(1) * q.sym_size(2) * v.sym_size(3));
  if (!inputs.cu_seqlens) check_state_elements(op, inputs, spec);
}

void check_state_elements(const char* op, const Inputs& inputs, const Spec& spec) {
  const at::Tensor& v = inputs.v;
  const c10::SymInt of_head = feature_count(inputs, spec) * v.sym_size(3);
  if (inputs.q.is_cuda()) {
    check_elements(op, "the state [B, Hk, D, dv] of a call on CUDA",
                   v.sym_size(0) * v.sym_size(1) * of_head);
  } else {
    check_elements(op, "a head's state [D, dv]", of_head);
  }
}

}  // namespace luna::ops
