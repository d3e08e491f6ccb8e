#include "experiments/bench/cuda_bench.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "experiments/bench/bench.h"
#include "experiments/bench/clock.h"
#include "experiments/bench/event_timer.h"
#include "experiments/bench/gate.h"
#include "experiments/bench/gpu_state.h"
#include "experiments/bench/sweep.h"
#include "experiments/bench/work.h"
#include "reports/bench/samples.h"
#include "runtime/io/atomic_file.h"

namespace luna::bench {
namespace {

using nlohmann::json;

constexpr uint64_t kSeed = 1;
constexpr int kFewest = 10;  // samples a row
constexpr double kMostSpread = 0.05;
const c10::Device kGpu(c10::kCUDA, 0);
constexpr const char* kMethod =
    "One process, all operators of a size in one random order, anew in every round. A sample is "
    "one call between two CUDA events on its stream; 256 MiB are written before it, so that "
    "nothing of its inputs is in the L2 cache. Forward is without gradients; forward + backward "
    "gives gradients to q, k, v and every parameter of the map; a decoding step takes "
    "one token into every state.";

/// A row and the call that it times.
struct Task {
  reports::BenchRow facts;
  std::function<void()> run;
};

Task task_of(const Operator& op, const Size& size, Pass pass, at::ScalarType dtype) {
  const Inputs leaves = draw_inputs(op, size, kSeed).want_gradients().on(kGpu, dtype);
  Task task;
  task.facts.name = op.name + (dtype == at::kFloat ? "" : "_bf16");
  task.facts.label = op.label + (dtype == at::kFloat ? "" : ", bfloat16");
  task.facts.map = op.map;
  task.facts.kind = op.kind == OperatorKind::kFused ? "fused" : "peer";
  task.facts.B = size.B, task.facts.H = size.H, task.facts.N = size.N, task.facts.d = size.d;
  task.facts.D = features_of(op, leaves);
  task.facts.threads = 1;
  task.facts.causal = op.decodes;
  task.facts.pass = name_of(pass);
  task.run = pass_task(op, leaves, at::ones_like(leaves.q), pass);
  return task;
}

/// Every operator that takes the size, dtype and pass on this device, after one call each: kernels
/// are loaded and memory is there. The others in left_out.
std::vector<Task> tasks_of(const Size& size, json& left_out) {
  std::vector<Task> tasks;
  for (const Operator& op : operators_at(size)) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      for (const Pass pass : passes_of(op)) {
        Task task = task_of(op, size, pass, dtype);
        try {
          task.run();
          tasks.push_back(std::move(task));
        } catch (const c10::Error& error) {
          const std::string text = error.what_without_backtrace();
          left_out.push_back(
              {{"row", task.facts.key()}, {"reason", text.substr(0, text.find('\n'))}});
        }
      }
    }
  }
  return tasks;
}

void sample(std::vector<Task>& tasks, double seconds) {
  EventTimer timer(kGpu);
  std::mt19937 random(kSeed);
  std::vector<size_t> order(tasks.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const double begin = seconds_now();
  for (int round = 0; round < kFewest || seconds_now() - begin < seconds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) tasks[i].facts.samples.push_back(timer.seconds(tasks[i].run));
  }
}

/// At "decode" every operator, else those of the report's table.
const std::vector<Operator>& gated(const Size& size) {
  const std::vector<Operator>& timed = operators_at(size);
  return timed.front().decodes ? timed : operators();
}

json pass_gate(const std::vector<Size>& sizes) {
  json passed = json::array();
  for (const Size& size : sizes) {
    for (const Operator& op : gated(size)) {
      const GateResult result = check(through(op, kGpu), size);
      if (!result.passed()) throw std::runtime_error(gate_failure(result, size));
      passed.push_back({{"operator", result.name},
                        {"d", size.d},
                        {"causal", op.decodes},
                        {"max_error", result.max_error},
                        {"limit", result.limit}});
    }
  }
  return passed;
}

void refuse(const std::string& problem, bool force,
            const std::function<void(const std::string&)>& say) {
  if (problem.empty()) return;
  if (!force) throw std::runtime_error("bench: " + problem + "; --force goes on nevertheless");
  say(problem);
}

}  // namespace

std::string noise(const std::vector<reports::BenchRow>& rows) {
  if (rows.empty()) return "";
  std::vector<double> spreads;
  for (const reports::BenchRow& row : rows) {
    const double range =
        reports::quantile(row.samples, 0.75) - reports::quantile(row.samples, 0.25);
    spreads.push_back(range / reports::median(row.samples));
  }
  const double spread = reports::median(spreads);
  if (spread <= kMostSpread) return "";
  return fmt::format("times spread over {:.0f} % of their median ({:.0f} % accepted)", 100 * spread,
                     100 * kMostSpread);
}

void run_cuda_bench(const CudaBenchOptions& options,
                    const std::function<void(const std::string&)>& say) {
  const GpuState before = gpu_state();
  refuse(busy_gpu(before), options.force, say);
  json file = {{"schema", 1},
               {"kind", "rows"},
               {"method", kMethod},
               {"environment", bench_environment()},
               {"options", {{"seconds", options.seconds}}},
               {"ceilings", json::array()},
               {"gate", pass_gate(options.sizes)},
               {"left_out", json::array()}};
  say("gate passed: every operator on the GPU against float64");
  std::vector<reports::BenchRow> rows;
  for (const Size& size : options.sizes) {
    say(fmt::format("timing {} at d {}", size.name, size.d));
    std::vector<Task> tasks = tasks_of(size, file["left_out"]);
    sample(tasks, options.seconds / static_cast<double>(options.sizes.size()));
    for (const Task& task : tasks) rows.push_back(task.facts);
  }
  file["environment"]["gpu"] = {{"before", to_json(before)}, {"after", to_json(gpu_state())}};
  file["rows"] = rows;
  refuse(noise(rows), options.force, say);
  io::write_file_atomically(options.file, file.dump(1) + "\n");
}

}  // namespace luna::bench
