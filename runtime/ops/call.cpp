#include "runtime/ops/call.h"

#include <limits>

#include "runtime/ops/layout.h"
#include "runtime/ops/weights.h"

namespace luna::ops {
namespace {

kernels::Denominator denominator(const Spec& spec) {
  kernels::Denominator rule;
  (spec.denominator == "add_eps" ? rule.add : rule.clamp) = static_cast<float>(spec.eps);
  return rule;
}

/// M of the keys by their size, [B, Hk]; 0 where every key is masked.
at::Tensor key_stabiliser(const kernels::Problem& problem) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor& k = problem.k;
  const kernels::MapArgs& map = problem.k_map;
  if (k.numel() == 0) return at::zeros({k.size(0), k.size(1)}, k.options().dtype(at::kFloat));
  at::Tensor squares = k.to(at::kFloat).square().sum(-1).mul_(map.stabiliser_scale);
  if (problem.k_weight.defined()) squares.masked_fill_(problem.k_weight == 0, -kInfinity);
  at::Tensor largest = squares.amax(2);
  return largest.masked_fill_(largest == -kInfinity, 0.0);
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
  const bool by_size = problem.k_map.stabilised_by == kernels::Stabiliser::square;
  if (by_size && !spec.causal) problem.k_map.stabiliser = key_stabiliser(problem);
}

}  // namespace luna::ops
