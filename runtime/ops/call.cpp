#include "runtime/ops/call.h"

#include "runtime/ops/layout.h"
#include "runtime/ops/weights.h"

namespace luna::ops {
namespace {

kernels::Denominator denominator(const Spec& spec) {
  kernels::Denominator rule;
  (spec.denominator == "add_eps" ? rule.add : rule.clamp) = static_cast<float>(spec.eps);
  return rule;
}

}  // namespace

at::Tensor unit_rows(const at::Tensor& given) {
  const at::Tensor x = given.to(at::kFloat);
  const at::Tensor size = x.norm(2, -1, true);
  return (x / size).masked_fill_(size == 0, 0.0);
}

at::Tensor drop_masked(const at::Tensor& k, const std::optional<at::Tensor>& mask) {
  return mask ? k.masked_fill(mask->logical_not().unsqueeze(1).unsqueeze(-1), 0.0) : k;
}

Inputs half_of(const Inputs& inputs, int64_t half) {
  Inputs part = inputs;
  part.v = inputs.v.chunk(2, -1)[half];
  return part;
}

Call::Call(const Inputs& in, const Spec& spec, const PreparedMap& map, bool exchanged)
    : luna(map.luna), fixed(map.fixed) {
  problem.q = aligned(unit_last_stride(in.q));
  problem.k = aligned(unit_last_stride(in.k));
  problem.v = aligned(unit_last_stride(in.v));
  problem.denominator = denominator(spec);
  problem.causal = spec.causal;
  problem.o_type = spec.o_type;
  problem.keeps_sums = spec.keeps_sums;
  problem.q_weight = token_weight(problem.q, spec.envelope, {});
  problem.k_weight = token_weight(problem.k, spec.envelope, in.key_mask);
  if (fixed) {
    fold_fixed(in, spec, map, exchanged);
    return;
  }
  q_side = luna->side(problem.q);
  k_side = spec.ch_rms_target > 0 ? luna->side(problem.k) : q_side;
  problem.q_map = q_side.args;
  problem.k_map = k_side.args;
}

void Call::fold_fixed(const Inputs& in, const Spec& spec, const PreparedMap& map, bool exchanged) {
  q_context = {map.params, fixed.option, Side::query, in.key_mask, spec.causal};
  q_context.table = map.table;
  q_context.device = in.q.device();
  q_context.length = std::max(in.q.size(2), in.k.size(2));
  q_context.positions = in.positions;
  k_context = q_context;
  k_context.side = Side::key;
  q_context.tokens = in.q.size(2);
  k_context.tokens = in.k.size(2);
  q_context.exchanged = exchanged;
  if (fixed->elementwise()) {
    problem.q_map.map = problem.k_map.map = fixed->name;
    return;
  }
  if (fixed->unit_rows) {
    problem.q = unit_rows(problem.q);
    problem.k = unit_rows(drop_masked(problem.k, in.key_mask));
  }
  problem.q_map = fixed->table ? map.folded : fixed->fold(in.q.size(3), q_context);
  problem.k_map = fixed->table ? map.folded : fixed->fold(in.k.size(3), k_context);
}

}  // namespace luna::ops
