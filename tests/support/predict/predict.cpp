#include "tests/support/predict/predict.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "experiments/bench/sweep.h"
#include "experiments/bench/work.h"
#include "runtime/kernels/registry.h"
#include "tests/support/predict/sass.h"

namespace luna::test {
namespace {

constexpr uint64_t kSeed = 1;
constexpr double kIssueSlots = 4 * 132 * 1.755;  // a nanosecond
constexpr int kLanes = 32;
constexpr int64_t kFirstTokens = 64, kCostTokens = 512;  ///< to see whether it runs; to count
constexpr int64_t kDecodedSequences = 64;
const c10::Device kStandIn(c10::kCUDA, 0);

void add(PtxCounts& sum, const PtxCounts& counts) {
  sum.fma += counts.fma;
  sum.other_float += counts.other_float;
  sum.integer += counts.integer;
  sum.global_memory += counts.global_memory;
  sum.shared_memory += counts.shared_memory;
  sum.control += counts.control;
  sum.other += counts.other;
  sum.sectors_loaded += counts.sectors_loaded;
  sum.sectors_stored += counts.sectors_stored;
}

/// Whether a pipeline runs once a call, whatever the tokens: psi's table and its gradient.
bool once_a_call(const std::string& pipeline) { return pipeline.rfind("psi_", 0) == 0; }

/// What one pipeline executed.
struct Executed {
  std::string pipeline;
  PtxCounts counts;
  std::map<std::string, PtxProfile> profiles;  ///< by text and kernel
};

/// Gives what was executed since the last call to the pipeline that was looked up then.
class Attribution {
 public:
  Attribution() {
    take_ptx_counts();
    take_ptx_profiles();
    kernels::watch_pipelines([this](const std::string& name) {
      settle();
      current_ = name;
    });
  }
  ~Attribution() { kernels::watch_pipelines({}); }
  Attribution(const Attribution&) = delete;

  std::vector<Executed> take() {
    settle();
    return std::move(executed_);
  }

 private:
  void settle() {
    PtxCounts all;
    for (const auto& [kernel, counts] : take_ptx_counts()) add(all, counts);
    if (all.total() == 0) return;
    const auto found = std::find_if(executed_.begin(), executed_.end(),
                                    [&](const Executed& e) { return e.pipeline == current_; });
    Executed& one =
        found != executed_.end() ? *found : executed_.emplace_back(Executed{current_, {}, {}});
    add(one.counts, all);
    for (const PtxProfile& profile : take_ptx_profiles()) {
      PtxProfile& sum = one.profiles[profile.text + profile.kernel];
      sum.text = profile.text;
      sum.kernel = profile.kernel;
      sum.threads = std::max(sum.threads, profile.threads);
      sum.dynamic_shared = std::max(sum.dynamic_shared, profile.dynamic_shared);
      for (const auto& [line, met] : profile.lines) sum.lines[line] += met;
    }
  }

  std::string current_;
  std::vector<Executed> executed_;
};

std::optional<double> issued_of(const Executed& executed) {
  const SassTools tools{LUNA_PTXAS, LUNA_NVDISASM};
  if (!tools.exist()) return {};
  double sum = 0;
  for (const auto& [key, profile] : executed.profiles) sum += issued(tools, profile);
  return sum;
}

std::vector<const bench::Operator*> fused_of(const std::vector<bench::Operator>& operators) {
  std::vector<const bench::Operator*> fused;
  for (const bench::Operator& op : operators) {
    if (op.kind == bench::OperatorKind::kFused) fused.push_back(&op);
  }
  return fused;
}

bool has(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

/// Whether it is a kernel on tensor cores, which takes the place of one of Halide's.
bool is_sibling(const std::string& name) {
  return has(name, "_bf16_") || has(name, "_f16_") || has(name, "_f32_") || has(name, "_f64_");
}

/// What one pipeline executes in a call about so many tokens of one head, where it does.
std::optional<Executed> executed(const autotune::Call& call, int64_t tokens,
                                 const std::string& pipeline) {
  const bench::Size size = call.size(1, tokens);
  const auto task = call.task(size, call.tokens(size, kStandIn));
  Attribution attribution;
  try {
    task();
  } catch (const c10::NotImplementedError&) {
    return {};
  }
  for (Executed& one : attribution.take()) {
    if (one.pipeline == pipeline) return std::move(one);
  }
  return {};
}

}  // namespace

double Prediction::per_token(uint64_t instructions) const {
  return static_cast<double>(instructions) / kLanes / static_cast<double>(tokens);
}

double Prediction::issued_per_token() const {
  return issued ? *issued / static_cast<double>(tokens) : per_token(counts.total());
}

double Prediction::sectors_per_token() const {
  return static_cast<double>(counts.sectors_loaded + counts.sectors_stored) /
         static_cast<double>(tokens);
}

double Prediction::issue_ns() const { return issued_per_token() / kIssueSlots; }

std::vector<Prediction> predict(const bench::Operator& op, const bench::Size& size,
                                bench::Pass pass, at::ScalarType dtype) {
  const bench::Inputs leaves =
      bench::draw_inputs(op, size, kSeed).want_gradients().on(kStandIn, dtype);
  const std::string name = op.name + (dtype == at::kFloat ? "" : "_bf16");
  const auto task = bench::pass_task(op, leaves, at::ones_like(leaves.q), pass);
  Attribution attribution;
  task();
  std::vector<Prediction> predictions;
  for (const Executed& one : attribution.take()) {
    if (once_a_call(one.pipeline)) continue;
    predictions.push_back({name, bench::name_of(pass), one.pipeline, one.counts, issued_of(one),
                           size.B * size.H * size.N});
  }
  return predictions;
}

std::vector<const autotune::Call*> likely_calls(const std::string& pipeline) {
  const bool own = is_sibling(pipeline);
  kernels::hide_pipelines([=](const std::string& name) { return !own && is_sibling(name); });
  const at::ScalarType dtype = has(pipeline, "_bf16_")  ? at::kBFloat16
                               : has(pipeline, "_f16_") ? at::kHalf
                                                        : at::kFloat;
  const int64_t d = has(pipeline, "_32_") ? 32 : 64;
  std::vector<const autotune::Call*> calls;
  for (const autotune::Call& call : autotune::tuned_calls(c10::kCUDA)) {
    const bool decodes = has(pipeline, "_decode_");
    if (call.dtype == dtype && call.d == d && call.op.decodes == decodes) calls.push_back(&call);
  }
  const auto is_own = [&](const autotune::Call* call) {
    const std::string map = call->op.map.substr(0, call->op.map.find(':'));
    return has(pipeline, map == "luna" ? "pwl" : map.c_str());
  };
  std::stable_partition(calls.begin(), calls.end(), is_own);
  return calls;
}

PipelineCost pipeline_cost(const std::string& pipeline) {
  for (const autotune::Call* call : likely_calls(pipeline)) {
    if (!executed(*call, kFirstTokens, pipeline)) continue;
    const std::optional<Executed> all = executed(*call, kCostTokens, pipeline);
    const Prediction one{"", "", pipeline, all->counts, issued_of(*all), kCostTokens};
    PipelineCost cost{one.issue_ns(), {}};
    for (const auto& [key, profile] : all->profiles) cost.launches.push_back(profile);
    return cost;
  }
  throw std::runtime_error("no operator of the prediction calls " + pipeline);
}

std::vector<Prediction> predict_all(const bench::Size& size) {
  std::vector<Prediction> all;
  const auto add_all = [&](const bench::Operator& op, const bench::Size& at) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const bool sibling = op.map == "luna" || op.map == "elu" || op.map == "relu";
      if (dtype != at::kFloat && (!sibling || at.N == 1)) continue;
      for (const bench::Pass pass : bench::passes_of(op)) {
        for (const Prediction& one : predict(op, at, pass, dtype)) all.push_back(one);
      }
    }
  };
  for (const bench::Operator* op : fused_of(bench::all_operators())) add_all(*op, size);
  bench::Size step = size;
  step.B = kDecodedSequences;
  step.N = 1;
  for (const bench::Operator* op : fused_of(bench::decode_operators())) add_all(*op, step);
  return all;
}

std::string prediction_table(const std::vector<Prediction>& predictions, const bench::Size& size) {
  std::string text = fmt::format(
      "PREDICTION, not a measurement: no GPU was used. PTX instructions that a warp executes for a "
      "token of\none head (the interpreter of make test; d {}, N {}, m {}, L {}, hid {}); issued: "
      "the machine\ninstructions that ptxas makes of them for sm_90 (without ptxas: the same "
      "number); ns at full issue on an\nH100 SXM: issued / 4 / (132 x 1.755 GHz). Launches, "
      "waiting for memory (all that a decoding step\ndoes), ATen's operators between the kernels "
      "and psi's table, made once a call, are not in it. sectors: of 32 bytes of global memory\n"
      "that loads and stores touch, access by access. decode: one token of {} sequences.\n\n"
      "{:<10}{:<17}{:<32}{:>7}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}\n",
      size.d, size.N, size.m, size.L, size.hid, kDecodedSequences, "operator", "pass", "pipeline",
      "fma", "float", "integer", "shared", "global", "control", "other", "all", "issued", "sectors",
      "ns");
  double ns = 0;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const Prediction& p = predictions[i];
    const PtxCounts& c = p.counts;
    text += fmt::format("{:<10}{:<17}{:<31}", p.op, p.pass, p.pipeline);
    for (const uint64_t count :
         {c.fma, c.other_float, c.integer, c.shared_memory, c.global_memory, c.control, c.other}) {
      text += fmt::format("{:>8.1f}", p.per_token(count));
    }
    text += fmt::format("{:>8.1f}{:>8.1f}{:>8.1f}{:>8.3f}\n", p.per_token(c.total()),
                        p.issued_per_token(), p.sectors_per_token(), p.issue_ns());
    ns += p.issue_ns();
    const bool last = i + 1 == predictions.size() || predictions[i + 1].op != p.op ||
                      predictions[i + 1].pass != p.pass;
    if (!last) continue;
    text += fmt::format("{:<10}{:<17}{:<31}{:>88.3f}\n", p.op, p.pass, "together", ns);
    ns = 0;
  }
  return text;
}

}  // namespace luna::test
