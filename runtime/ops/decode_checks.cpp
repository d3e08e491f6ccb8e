#include <ATen/MemoryOverlap.h>
#include <ATen/core/grad_mode.h>

#include "runtime/ops/checks.h"
#include "runtime/ops/decode.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/overlap.h"
#include "runtime/ops/packed.h"
#include "runtime/ops/param_checks.h"

namespace luna::ops {
namespace {

void check_rank3(const char* op, const char* name, const char* shape, const at::Tensor& x) {
  TORCH_CHECK_VALUE(x.dim() == 3, op, ": ", name, " must be ", shape, ", got shape ", x.sym_sizes(),
                    ".");
}

/// Of what is updated in place.
void check_state(const char* op, const char* name, const char* shape, const at::Tensor& x,
                 const std::vector<c10::SymInt>& sizes, const c10::Device& device) {
  TORCH_CHECK_TYPE(x.scalar_type() == at::kFloat, op, ": ", name,
                   " must be float32 whatever q is, got ", x.scalar_type(), ".");
  TORCH_CHECK_VALUE(x.sym_sizes() == c10::SymIntArrayRef(sizes), op, ": ", name, " must be ", shape,
                    " = ", c10::SymIntArrayRef(sizes), ", got ", x.sym_sizes(), ".");
  TORCH_CHECK_VALUE(x.device() == device, op, ": ", name, " must be on q's device ", device,
                    ", got ", x.device(), ".");
  TORCH_CHECK_VALUE(!x.is_neg(), op, ": ", name,
                    " must not have torch's negative bit, which a view has whose numbers are the "
                    "memory's negated; pass ",
                    name, ".resolve_neg() and keep it.");
  TORCH_CHECK_VALUE(x.sym_stride(-1) == 1, op, ": ", name,
                    " must have a last stride of 1, got strides ", x.sym_strides(),
                    "; pass a contiguous tensor and keep it.");
}

void check_records_nothing(const char* op, const char* name, const at::Tensor& x) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      !x._fw_grad(/*level=*/0).defined() && !(at::GradMode::is_enabled() && x.requires_grad()), op,
      ": ", name, " requires a gradient, which a step does not record; call it under ",
      "torch.no_grad(), or pass ", name, ".detach().");
}

void check_positions(const char* op, const Inputs& in, const Spec& spec) {
  const NamedMap map = spec.learned() ? NamedMap{} : find_fixed_map(spec.feature_map);
  TORCH_CHECK_VALUE(in.positions || !map || !map->positional, op, ": feature map \"",
                    spec.feature_map, "\" reads where a token stands; pass positions, int64 [B].");
  if (!in.positions) return;
  const at::Tensor& x = *in.positions;
  check_dense(op, "positions", x);
  TORCH_CHECK_TYPE(x.scalar_type() == at::kLong, op, ": positions must be int64, got ",
                   x.scalar_type(), ".");
  TORCH_CHECK_VALUE(x.dim() == 1 && x.sym_size(0) == in.q.sym_size(0), op,
                    ": positions must be [B] = [", in.q.sym_size(0), "], got ", x.sym_sizes(), ".");
  TORCH_CHECK_VALUE(x.device() == in.q.device(), op, ": positions must be on q's device ",
                    in.q.device(), ", got ", x.device(), ".");
}

void check_no_overlap(const char* op, const char* name, const at::Tensor& x) {
  if (!readable(x) || x.numel() == 0) return;
  TORCH_CHECK_VALUE(!may_overlap_itself(x), op, ": ", name,
                    " is updated in place and its rows must not overlap, got shape ", x.sizes(),
                    " with strides ", x.strides(), "; pass a contiguous tensor and keep it.");
}

/// What is updated in place shares memory with nothing else. Where torch cannot tell, elements are
/// looked at on the host alone: on a device a step would wait for the stream.
void check_apart(const char* op, const char* name, const at::Tensor& x, const char* other_name,
                 const at::Tensor& other) {
  if (!readable(x) || !readable(other)) return;
  const at::MemOverlapStatus status = at::get_overlap_status(x, other);
  const bool shared =
      status == at::MemOverlapStatus::Full || status == at::MemOverlapStatus::Partial ||
      (status == at::MemOverlapStatus::TooHard && x.is_cpu() && share_elements(x, other));
  TORCH_CHECK_VALUE(!shared, op, ": ", name, " is updated in place and must not share memory with ",
                    other_name, "; pass a tensor of its own.");
}

/// On the host alone: on a device a step would wait for the stream. Features of a position out of
/// range are NaN there.
void check_position_values(const char* op, const Inputs& in, const Spec& spec) {
  const NamedMap map = spec.learned() ? NamedMap{} : find_fixed_map(spec.feature_map);
  if (!map || !map->positional || !in.positions) return;
  const at::Tensor& x = *in.positions;
  if (!readable(x) || x.is_cuda() || x.numel() == 0) return;
  const auto [least, most] = at::aminmax(x);
  TORCH_CHECK_VALUE(least.item<int64_t>() >= 0 && most.item<int64_t>() < map.option, op,
                    ": positions must be from 0 to ", map.option - 1, " for feature map \"",
                    spec.feature_map, "\", got ", least.item<int64_t>(), " to ",
                    most.item<int64_t>(), ".");
}

}  // namespace

void check_step_values(const char* op, const StepInputs& in, const Spec& spec) {
  const Inputs& x = in.token;
  check_position_values(op, x, spec);
  check_no_overlap(op, "state", in.state);
  check_no_overlap(op, "norm", in.norm);
  check_apart(op, "state", in.state, "norm", in.norm);
  const auto check_read = [&](const char* name, const at::Tensor& given) {
    check_apart(op, "state", in.state, name, given);
    check_apart(op, "norm", in.norm, name, given);
  };
  check_read("q", x.q);
  check_read("k", x.k);
  check_read("v", x.v);
  for (size_t i = 0; i < x.params.size(); ++i) check_read(param_name(spec, i), x.params[i]);
}

void check_step(const char* op, const StepInputs& in, const Spec& spec) {
  const Inputs& x = in.token;
  check_dense(op, "q", x.q);
  check_dense(op, "k", x.k);
  check_dense(op, "v", x.v);
  check_dense(op, "state", in.state);
  check_dense(op, "norm", in.norm);
  check_rank3(op, "q", "[B, H, d]", x.q);
  check_rank3(op, "k", "[B, Hk, d]", x.k);
  check_rank3(op, "v", "[B, Hk, dv]", x.v);
  const Inputs tokens{x.q.unsqueeze(2), x.k.unsqueeze(2), x.v.unsqueeze(2), x.params, {}};
  check(op, tokens, spec);
  check_built(op, tokens, spec);
  check_positions(op, x, spec);
  const c10::SymInt B = x.k.sym_size(0), Hk = x.k.sym_size(1), D = feature_count(x, spec);
  check_state(op, "state", "[B, Hk, D, dv]", in.state, {B, Hk, D, x.v.sym_size(2)}, x.q.device());
  check_state(op, "norm", "[B, Hk, D]", in.norm, {B, Hk, D}, x.q.device());
  check_step_values(op, in, spec);
  check_records_nothing(op, "q", x.q);
  check_records_nothing(op, "k", x.k);
  check_records_nothing(op, "v", x.v);
  check_records_nothing(op, "state", in.state);
  check_records_nothing(op, "norm", in.norm);
  for (size_t i = 0; i < x.params.size(); ++i) {
    check_records_nothing(op, param_name(spec, i), x.params[i]);
  }
}

}  // namespace luna::ops
