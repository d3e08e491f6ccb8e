#include "experiments/bench/bench.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <stdexcept>

#include "experiments/bench/budget.h"
#include "experiments/bench/clock.h"
#include "experiments/bench/gate.h"
#include "experiments/bench/timer.h"
#include "experiments/train/environment.h"
#include "reports/views/format.h"

namespace luna::bench {
namespace {

using nlohmann::json;

constexpr uint64_t kBenchSeed = 1;
constexpr const char* kOperatorMethod =
    "All operators run in one process and one run, float32. They are visited in turn, round after "
    "round, so that noise meets all alike; a visit calls an operator until 20 ms have passed, and "
    "every call is a sample. Forward is without gradients; forward + backward gives gradients to "
    "q, k, v and every parameter of the feature map. {} ns per token-head is the minimum divided "
    "by B H N, tokens/s is B N by the minimum; ratios are of minima.";

/// A round of all operators takes, measured on one core of an AMD EPYC (Zen 4).
constexpr double kSecondsPerTokenHead = 8e-5;

/// What is done whatever the budget, so that every row has a minimum.
std::string least_of(const BenchOptions& options) {
  const int calls = 1 + TimerOptions().min_rounds;
  double round_s = 0;
  for (const Size& size : options.sizes) {
    round_s += kSecondsPerTokenHead * static_cast<double>(size.B * size.H * size.N);
  }
  const double least = gate_seconds(options.sizes.size() * operators().size()) +
                       round_s * static_cast<double>(calls * options.threads.size());
  return fmt::format(
      "{:g} s for everything; the gate (every operator against float64) and {} calls of every "
      "operator at every size and number of threads are made in any case, which takes some {:.0f} "
      "s",
      options.seconds, calls, least);
}

std::vector<GateResult> pass_gate(const Size& size) {
  std::vector<GateResult> results;
  for (const Operator& op : operators()) {
    results.push_back(check(op, size));
    if (!results.back().passed()) throw std::runtime_error(gate_failure(results.back(), size));
  }
  return results;
}

json times(const Samples& samples) {
  return {{"min_s", samples.minimum()},
          {"median_s", samples.median()},
          {"repeats", samples.seconds.size()}};
}

json size_facts(const Size& size, int threads) {
  return {{"name", size.name}, {"threads", threads}, {"B", size.B}, {"H", size.H},    {"N", size.N},
          {"d", size.d},       {"m", size.m},        {"L", size.L}, {"hid", size.hid}};
}

json time_size(const Size& size, int threads, double budget_s) {
  at::set_num_threads(threads);
  std::vector<std::function<void()>> tasks;
  const at::Tensor upstream = at::randn({size.B, size.H, size.N, size.d});
  for (const Operator& op : operators()) {
    const Inputs leaves = draw_inputs(op, size, kBenchSeed).want_gradients();
    for (const Pass pass : {Pass::kForward, Pass::kForwardBackward}) {
      tasks.push_back(pass_task(op, leaves, upstream, pass));
    }
  }
  TimerOptions timer;
  timer.budget_s = budget_s;
  const std::vector<Samples> samples = time_interleaved(tasks, timer);
  json rows = json::array();
  for (size_t i = 0; i < operators().size(); ++i) {
    rows.push_back({{"name", operators()[i].name},
                    {"label", operators()[i].label},
                    {"forward", times(samples[2 * i])},
                    {"forward_backward", times(samples[2 * i + 1])}});
  }
  json result = size_facts(size, threads);
  result["operators"] = rows;
  return result;
}

}  // namespace

json bench_environment() {
  json result = experiments::capture_environment();
  result.erase("threads");  // every size has its own
  double load = -1;
  if (getloadavg(&load, 1) != 1) load = -1;
  result["load_before"] = load;
  return result;
}

const std::vector<Size>& standard_sizes() {
  static const std::vector<Size> sizes = {{"A", 4, 2, 2048, 32, 16, 8, 64},
                                          {"B", 1, 8, 4096, 64, 16, 8, 64}};
  return sizes;
}

bool is_current(const json& result, const BenchOptions& options) {
  json sizes = json::array();
  for (const int threads : options.threads) {
    for (const Size& size : options.sizes) sizes.push_back(size_facts(size, threads));
  }
  json timed = result.value("sizes", json::array());
  for (json& size : timed) {
    if (size.is_object()) size.erase("operators");
  }
  const json now = experiments::capture_environment(), then = result.value("environment", json());
  const auto same = [&](const char* key) { return then.value(key, json()) == now.at(key); };
  return timed == sizes && then.is_object() && same("library_sha256") && same("cpu");
}

json run_bench(const BenchOptions& options, const std::function<void(const std::string&)>& say) {
  const double end = seconds_now() + options.seconds;
  say(least_of(options));
  json result = {{"schema", 1},
                 {"method", fmt::format(kOperatorMethod, kWithinTheTime)},
                 {"environment", bench_environment()}};
  for (const Size& size : options.sizes) {
    for (const GateResult& gate : pass_gate(size)) {
      result["gate"].push_back({{"operator", gate.name},
                                {"size", size.name},
                                {"max_error", gate.max_error},
                                {"limit", gate.limit}});
    }
    say(fmt::format("gate passed at d {}: every operator against float64", size.d));
  }
  size_t left = options.sizes.size() * options.threads.size();
  for (const int threads : options.threads) {
    for (const Size& size : options.sizes) {
      say(fmt::format("timing size {} on {}", size.name, reports::threads(threads)));
      result["sizes"].push_back(
          time_size(size, threads, (end - seconds_now()) / static_cast<double>(left--)));
    }
  }
  return result;
}

}  // namespace luna::bench
