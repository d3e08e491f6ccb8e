#include "tests/support/predict/predict.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "runtime/kernels/registry.h"
#include "tests/support/predict/sass.h"

namespace luna::test {
namespace {

constexpr uint64_t kSeed = 1;
constexpr double kIssueSlots = 4 * 132 * 1.755;  // a nanosecond
constexpr int kLanes = 32;
constexpr int64_t kFirstTokens = 64, kCostTokens = 512;  ///< to see whether it runs; to count
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

bool has(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

/// Whether it is a kernel on tensor cores, which takes the place of one of Halide's.
bool is_sibling(const std::string& name) {
  return has(name, "_bf16_") || has(name, "_f16_") || has(name, "_f32_") || has(name, "_f64_");
}

/// Whether nvcc makes it: a sibling, psi's table, what moves tokens to rows and back.
bool is_cuda_cpp(const std::string& name) {
  return is_sibling(name) || once_a_call(name) || name == "rows_gather_cuda" ||
         name == "rows_scatter_cuda";
}

std::vector<Executed> execute(const std::function<void()>& task) {
  Attribution attribution;
  task();
  return attribution.take();
}

/// What one pass of a call executes on the stand-in device.
std::vector<Executed> execute(const autotune::Call& call, const bench::Size& size,
                              bench::Pass pass) {
  bench::Inputs leaves =
      bench::draw_inputs(call.op, size, kSeed).want_gradients().on(kStandIn, call.dtype);
  leaves.causal = call.causal;
  return execute(bench::pass_task(call.op, leaves, at::ones_like(leaves.q), pass));
}

/// What one pipeline executes in a call about so many tokens of one head, where it does.
std::optional<Executed> executed(const autotune::Call& call, int64_t tokens,
                                 const std::string& pipeline) {
  const bench::Size size = call.size(1, tokens);
  const auto task = call.task(size, call.tokens(size, kStandIn));
  try {
    for (Executed& one : execute(task)) {
      if (one.pipeline == pipeline) return std::move(one);
    }
  } catch (const c10::NotImplementedError&) {
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

const char* dtype_name(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? "bf16" : dtype == at::kHalf ? "f16" : "f32";
}

std::vector<Prediction> predict(const autotune::Call& call, const bench::Size& size,
                                bench::Pass pass) {
  std::vector<Prediction> predictions;
  for (const Executed& one : execute(call, size, pass)) {
    if (once_a_call(one.pipeline)) continue;
    predictions.push_back({one.pipeline, one.counts, issued_of(one), size.B * size.H * size.N});
  }
  return predictions;
}

bool has_own_kernels(const autotune::Call& call) {
  if (call.dtype == at::kFloat) return true;
  const auto all = execute(call, call.size(1, kFirstTokens), bench::Pass::kForward);
  const std::string own = fmt::format("_{}_", dtype_name(call.dtype));
  return std::any_of(all.begin(), all.end(),
                     [&](const Executed& one) { return has(one.pipeline, own.c_str()); });
}

bool has_cuda_cpp() {
  const auto no_device = [] { return std::string(); };
  return kernels::find_pipeline("kv_state_pwl8_64_f32_cuda", no_device, 0) != nullptr;
}

void hide_cuda_cpp() { kernels::hide_pipelines(is_cuda_cpp); }

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
    const Prediction one{pipeline, all->counts, issued_of(*all), kCostTokens};
    PipelineCost cost{one.issue_ns(), {}};
    for (const auto& [key, profile] : all->profiles) cost.launches.push_back(profile);
    return cost;
  }
  throw std::runtime_error("no operator of the prediction calls " + pipeline);
}

}  // namespace luna::test
