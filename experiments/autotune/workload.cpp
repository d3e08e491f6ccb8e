#include "experiments/autotune/workload.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <map>
#include <tuple>

#include "experiments/bench/selftest_operators.h"
#include "runtime/kernels/registry.h"

namespace luna::autotune {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int64_t kTokens = 1024;
/// Few, and as many as fill a GPU.
constexpr int64_t kHeads = 4, kFullHeads = 64;
constexpr int64_t kChannels = 8, kHidden = 64;
/// Query heads of a key head that a decoding step takes in one pass over its state.
constexpr int64_t kGroup = 4;
/// 136 features at 8 channels: rows of a state beyond whole blocks of 16.
constexpr int64_t kRaggedProjections = 17;

std::vector<bench::Operator> fused(const std::vector<bench::Operator>& operators) {
  std::vector<bench::Operator> kept;
  for (const bench::Operator& op : operators) {
    if (op.kind == bench::OperatorKind::kFused) kept.push_back(op);
  }
  return kept;
}

/// Whether this build has kernels of the map that read half precision as it lies.
bool has_half_kernels(const bench::Operator& op) {
  const std::string map = op.map == "luna" ? "pwl8" : op.map;
  return kernels::find_pipeline("kv_state_" + map + "_64_bf16_cuda") != nullptr;
}

/// LUNA under other options.
bench::Operator luna_with(const std::string& name, const ops::Spec& spec) {
  bench::Operator op = bench::operator_of(spec, bench::Form::whole, {}, {});
  op.name = name;
  op.map = name;
  op.kind = bench::OperatorKind::kFused;
  op.draw_params = bench::operators().front().draw_params;
  return op;
}

/// The kernels of dense psi, and of ch_rms, which is not causal.
void add_luna_variants(std::vector<Call>& all) {
  for (const char* psi : {"dense_relu", "dense_gelu", "dense_silu", "pwl"}) {
    ops::Spec spec;
    const std::string name = psi;
    spec.psi = name.substr(0, name.find('_'));
    if (spec.psi == "dense") spec.activation = name.substr(6);
    for (const bool causal : {false, true}) {
      spec.causal = causal;
      spec.ch_rms_target = causal ? 0 : 0.1;
      all.push_back({luna_with(name, spec), 64, causal, at::kFloat});
    }
  }
}

std::vector<Call> cpu_calls() {
  std::vector<Call> all;
  for (const bench::Operator& op : fused(bench::operators())) {
    for (const int64_t d : {32, 48, 64}) {
      for (const bool causal : {false, true}) all.push_back({op, d, causal, at::kFloat});
    }
  }
  return all;
}

/// Heads that no pass inlines the map for: by features in memory.
void add_large_heads(std::vector<Call>& all) {
  for (const bench::Operator& op : fused(bench::operators())) {
    if (op.map == "relu") continue;  // elu's kernels but for its features
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      for (const bool causal : {false, true}) all.push_back({op, 128, causal, dtype});
    }
  }
}

void add_decoding(std::vector<Call>& all) {
  const std::vector<bench::Operator> steps = fused(bench::decode_operators());
  for (const int64_t group : {int64_t{1}, kGroup}) {
    for (const bench::Operator& op : steps) {
      all.push_back({op, 64, true, at::kFloat, kUsualProjections, group});
    }
    all.push_back({steps.front(), 64, true, at::kFloat, kRaggedProjections, group});
  }
}

/// (Angles of cosformer change with every later token.)
std::vector<Call> cuda_calls() {
  std::vector<Call> all;
  for (const bench::Operator& op : fused(bench::all_operators(c10::kCUDA))) {
    for (const int64_t d : {64, 32}) {
      all.push_back({op, d, false, at::kFloat});
      if (op.map != "cosformer") all.push_back({op, d, true, at::kFloat});
      if (!has_half_kernels(op)) continue;
      for (const at::ScalarType half : {at::kBFloat16, at::kHalf}) {
        all.push_back({op, d, false, half});
      }
    }
  }
  add_large_heads(all);
  add_luna_variants(all);
  add_decoding(all);
  return all;
}

kernels::Pipeline g_counted;  // what count_call stands before
std::atomic<int> g_calls;

int count_call(void** arguments) {
  ++g_calls;
  return g_counted(arguments);
}

/// Whether there are kernels of this device for it.
bool is_built(const std::function<void()>& run) {
  try {
    run();
    return true;
  } catch (const c10::NotImplementedError&) {
    return false;
  }
}

/// Checked on few heads, timed on so many.
std::vector<Workload> timed_on(c10::Device device, int64_t heads) {
  std::vector<Workload> all;
  // A GPU holds them once.
  std::map<std::tuple<int64_t, bool, int64_t, at::ScalarType>, bench::Tokens> shared;
  for (const Call& call : tuned_calls(device.type())) {
    const bench::Size size = call.size(heads, kTokens);
    const auto key = std::tuple(call.d, call.op.decodes, call.group, call.dtype);
    if (shared.count(key) == 0) shared[key] = call.tokens(size, device);
    Workload one{&call, call.size(kHeads, kTokens), call.task(size, shared.at(key)), {}};
    if (device.is_cuda()) {
      kernels::watch_pipelines([&](const std::string& name) { one.looked_up.insert(name); });
    }
    const bool built = is_built(one.run);
    kernels::watch_pipelines({});
    if (built) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

bench::Size Call::size(int64_t heads, int64_t tokens) const {
  const int64_t B = op.decodes ? tokens : 1, N = op.decodes ? 1 : tokens;
  return {"", B, heads * group, N, d, projections, kChannels, kHidden, group};
}

bench::Tokens Call::tokens(const bench::Size& size, c10::Device device) const {
  const bench::Inputs inputs = bench::draw_tokens(size, kSeed).on(device, dtype);
  return {inputs, at::ones_like(inputs.q)};
}

std::function<void()> Call::task(const bench::Size& size, const bench::Tokens& tokens) const {
  bench::Inputs own = tokens.inputs;
  for (at::Tensor* x : {&own.q, &own.k}) *x = bench::usual_tokens(op.name, *x);
  bench::Inputs leaves = bench::with_params(own, op, size, kSeed + 1).on(own.q.device(), dtype);
  leaves.want_gradients().causal = causal;
  const auto pass = op.decodes ? bench::Pass::kDecode : bench::Pass::kForwardBackward;
  return bench::pass_task(op, leaves, tokens.upstream, pass);
}

const std::vector<Call>& tuned_calls(c10::DeviceType device) {
  static const std::vector<Call> cpu = cpu_calls(), cuda = cuda_calls();
  return device == c10::kCPU ? cpu : cuda;
}

Workloads workloads(c10::Device device) {
  if (device.is_cpu()) return {timed_on(device, kHeads), {}};
  return {timed_on(device, kFullHeads), timed_on(device, kHeads)};
}

bool runs(const Workload& workload, const std::string& pipeline) {
  if (!workload.looked_up.empty() && workload.looked_up.count(pipeline) == 0) return false;
  g_counted = kernels::find_pipeline(pipeline);
  g_calls = 0;
  kernels::replace_pipeline(pipeline, count_call);
  workload.run();
  kernels::replace_pipeline(pipeline, nullptr);
  return g_calls > 0;
}

}  // namespace luna::autotune
