#include "experiments/autotune/workload.h"

#include <c10/util/Exception.h>

#include <atomic>

namespace luna::autotune {
namespace {

constexpr uint64_t kSeed = 1;
/// B and H of what is timed on a GPU, which 4 heads do not fill.
constexpr int64_t kDeviceHeads = 8;

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

}  // namespace

std::vector<Workload> workloads(c10::Device device) {
  std::vector<Workload> all;
  for (const bench::Operator& op : bench::operators()) {
    if (op.kind != bench::OperatorKind::kFused) continue;
    for (const int64_t d : {32, 48, 64}) {  // 48: a size that no pipeline is built for
      const bench::Size size{"", 1, 4, 1024, d, 16, 8, 64};
      bench::Size timed = size;
      if (device.is_cuda()) timed.B = timed.H = kDeviceHeads;
      for (const bool causal : {false, true}) {
        bench::Inputs leaves = bench::draw_inputs(op, timed, kSeed).want_gradients().on(device);
        leaves.causal = causal;
        const at::Tensor upstream = at::ones_like(leaves.q);
        Workload one{op, size, causal,
                     bench::pass_task(op, leaves, upstream, bench::Pass::kForwardBackward)};
        if (is_built(one.run)) all.push_back(std::move(one));
      }
    }
  }
  return all;
}

bool calls(const Workload& workload, const std::string& pipeline, kernels::Pipeline entry) {
  g_counted = entry;
  g_calls = 0;
  kernels::replace_pipeline(pipeline, count_call);
  workload.run();
  kernels::replace_pipeline(pipeline, nullptr);
  return g_calls > 0;
}

}  // namespace luna::autotune
