#include "experiments/bench/admission.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "experiments/bench/clock.h"
#include "experiments/bench/memory.h"

namespace luna::bench {
namespace {

constexpr uint64_t kAdmissionSeed = 5;
constexpr int64_t kProbeTokens = 1024;
constexpr double kGib = 1 << 30;

/// First line of the error on eight tokens or fewer; empty without one.
std::string error_on_few_tokens(const Operator& op, Size size, bool causal) {
  size.B = size.H = 1;
  size.N = std::min<int64_t>(size.N, 8);
  const at::NoGradGuard no_grad;
  try {
    Inputs in = draw_inputs(op, size, kAdmissionSeed);
    in.causal = causal;
    op.apply(in);
    return "";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return text.substr(0, text.find('\n'));
  }
}

bool scores_in_memory(const Operator& op, bool causal) {
  return op.kind == OperatorKind::kScores || (op.kind == OperatorKind::kEager && causal);
}

}  // namespace

Demand scaled(const Demand& probe, double flops_ratio, double tokens_ratio, bool quadratic_memory) {
  return {probe.seconds * flops_ratio,
          probe.bytes * tokens_ratio * (quadratic_memory ? tokens_ratio : 1)};
}

std::string refusal(const Demand& demand, const Limits& limits) {
  if (demand.bytes > limits.bytes) {
    return fmt::format("one call would take {:.1f} GiB (limit {:.1f})", demand.bytes / kGib,
                       limits.bytes / kGib);
  }
  if (demand.seconds > limits.call_seconds) {
    return fmt::format("one call would take {:.1f} s (limit {:g})", demand.seconds,
                       limits.call_seconds);
  }
  return "";
}

const std::string& Admission::refused(const Operator& op, const Size& size, bool causal) {
  const auto [entry, fresh] = refusals_.try_emplace({op.name, size.d, causal, op.decodes});
  std::string& reason = entry->second;
  if (!fresh) return reason;
  reason = error_on_few_tokens(op, size, causal);
  if (!reason.empty()) return reason;
  const GateResult result = check(op, size, causal);
  if (!result.passed()) throw std::runtime_error(gate_failure(result, size));
  passed_.push_back({result, size.d, causal});
  return reason;
}

std::string Admission::reason(const SweepRow& row, const Group& group) {
  const std::string& error = refused(*row.op, group.size, group.causal);
  return error.empty() ? refusal(demand(row, group), limits_) : error;
}

Demand Admission::demand(const SweepRow& row, const Group& group) {
  if (group.size.N <= kProbeTokens) return {};
  Size small = group.size;
  small.N = kProbeTokens;
  Inputs leaves = draw_inputs(*row.op, small, kAdmissionSeed).want_gradients();
  leaves.causal = group.causal;
  reports::BenchRow facts = row.facts;
  facts.N = small.N;
  const auto [entry, fresh] = probes_.try_emplace(facts.key());
  if (fresh) {
    const auto task = pass_task(*row.op, leaves, at::ones_like(leaves.q), row.pass);
    entry->second.bytes = static_cast<double>(peak_bytes(task));  // the first call: not timed
    const double begin = seconds_now();
    task();
    entry->second.seconds = seconds_now() - begin;
  }
  const double flops_ratio = work_of(*row.op, group.size, leaves, row.pass).flops /
                             work_of(*row.op, small, leaves, row.pass).flops;
  const double tokens_ratio = static_cast<double>(group.size.N) / static_cast<double>(small.N);
  return scaled(entry->second, flops_ratio, tokens_ratio, scores_in_memory(*row.op, group.causal));
}

}  // namespace luna::bench
