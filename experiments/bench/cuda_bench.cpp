#include "experiments/bench/cuda_bench.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>

#include "experiments/bench/admission.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/budget.h"
#include "experiments/bench/clock.h"
#include "experiments/bench/cuda_admission.h"
#include "experiments/bench/gate.h"
#include "experiments/bench/model.h"
#include "runtime/io/atomic_file.h"

namespace luna::bench {
namespace {

using nlohmann::json;
using Say = std::function<void(const std::string&)>;

constexpr uint64_t kCudaSeed = 1;
constexpr const char* kCudaMethod =
    "One process, all operators of a size, causal or not, in one random order, anew in every "
    "round, float32 and bfloat16 (states of decoding in float32), on the same q, k, v. A sample is "
    "one call between two CUDA events on its stream; 256 MiB are written 8 times before it, so "
    "that nothing of its inputs is in the L2 cache and the host has queued it. Forward is without "
    "gradients; forward + backward "
    "gives gradients to q, k, v and every parameter of the map; a decoding step takes one token "
    "into every state. Roofline: the longer of operations by what torch's matmul does in the "
    "dtype, float32 without TF32, and bytes by the bandwidth of a copy, as modelled for each "
    "operator in experiments/bench/work.h. The gate is in float32, of this library's operators in "
    "bfloat16 too.";

/// Whether an operator says that it is not for such a call.
bool is_declined(const c10::Error& error) {
  return dynamic_cast<const c10::NotImplementedError*>(&error) ||
         dynamic_cast<const c10::ValueError*>(&error);
}

/// A row and the call that it times.
struct Task {
  SweepRow row;
  std::function<void()> run;
  double seconds;  ///< of a first call
};

class CudaRun {
 public:
  CudaRun(const CudaBenchOptions& options, const Accelerator& on, Say say)
      : options_(options),
        on_(on),
        say_(std::move(say)),
        limits_{options.call_seconds, on.memory_bytes / 4},
        groups_(options.groups) {}

  void run() {
    const GpuState before = on_.state();
    refuse(busy_gpu(before));
    file_ = {{"schema", 1},
             {"kind", "rows"},
             {"method", kCudaMethod},
             {"environment", bench_environment()},
             {"options", {{"seconds", options_.seconds}, {"call_seconds", options_.call_seconds}}},
             {"ceilings", json::array()},
             {"gate", json::array()},
             {"left_out", json::array()}};
    measure();
    for (const size_t all = groups_.size(); !groups_.empty();) {
      const Group group = groups_.front();
      const double share = share_of(group, groups_, seconds_left());
      groups_.erase(groups_.begin());
      const size_t timed = time(group, share);
      say_(fmt::format("[{}/{}] {}: {} of {} rows; at most {:.0f} s to go", all - groups_.size(),
                       all, name_of(group), timed, group.rows.size(), seconds_left()));
    }
    say_(fmt::format("gate: {} operators and modes passed against float64, {} did not",
                     file_["gate"].size(), wrong_.size()));
    file_["environment"]["device"] = "cuda";
    file_["environment"]["gpu"] = {{"before", to_json(before)}, {"after", to_json(on_.state())}};
    file_["rows"] = rows_;
    refuse(noise(rows_));
    io::write_file_atomically(options_.file, file_.dump(1) + "\n");
    if (options_.force || failure_.empty()) return;
    throw std::runtime_error(
        fmt::format("{} The other operators' rows are in {}.", failure_, options_.file.string()));
  }

 private:
  void refuse(const std::string& problem) {
    refuse_unless(options_.force, "bench", problem);
    if (!problem.empty()) say_(problem);
  }

  void leave_out(const std::string& row, const std::string& reason) {
    file_["left_out"].push_back({{"row", row}, {"reason", reason}});
  }

  static std::string name_of(const Group& group) {
    return fmt::format("{}, d {}{}", group.size.name, group.size.d, group.causal ? ", causal" : "");
  }

  double seconds_left() const { return std::max(0.0, options_.seconds - (seconds_now() - begin_)); }

  /// Every operator that has float32, once a size of head, causal and not; those of this library in
  /// bfloat16 too, where peers are as exact as they like.
  void gate(const SweepRow& row, const Group& group) {
    const bool own = row.op->kind == OperatorKind::kFused && !row.op->decodes;
    if (row.dtype != at::kFloat && !own) return;
    const std::string mode =
        fmt::format("{}{}/d:{}{}{}", row.op->name, row.dtype == at::kFloat ? "" : "/bfloat16",
                    group.size.d, group.causal ? "/causal" : "", row.op->decodes ? "/decode" : "");
    if (checked_.insert(mode).second) check_operator(row, group, mode);
  }

  void check_operator(const SweepRow& row, const Group& group, const std::string& mode) {
    try {
      const GateResult result =
          check(through(*row.op, on_.device), group.size, group.causal, row.dtype);
      if (result.passed()) {
        file_["gate"].push_back({{"operator", result.name},
                                 {"d", group.size.d},
                                 {"causal", group.causal},
                                 {"dtype", row.dtype == at::kFloat ? "float32" : "bfloat16"},
                                 {"max_error", result.max_error},
                                 {"limit", result.limit}});
        return;
      }
      fail(row, group, mode,
           fmt::format("wrong (error {:.2g}, accepted {:.2g})", result.max_error, result.limit),
           gate_failure(result, group.size, "it is left out"));
    } catch (const c10::Error& error) {
      // A peer without float32 or this mode, or what is not offered: left out when it is timed.
      if (row.op->kind != OperatorKind::kFused || is_declined(error)) return;
      fail(row, group, mode, "not checked: " + first_line(error),
           fmt::format("bench: {} could not be checked: {}.", mode, first_line(error)));
    }
  }

  /// Leaves out an operator of this library; the run fails with the first of them.
  void fail(const SweepRow& row, const Group& group, const std::string& mode,
            const std::string& reason, const std::string& failure) {
    say_(failure);
    if (failure_.empty()) failure_ = failure;
    wrong_.insert({row.op, group.size.d, group.causal, row.dtype});
    leave_out(mode, reason);
  }

  void measure() {
    for (const DeviceCeiling& ceiling : measure_ceilings(on_)) {
      file_["ceilings"].push_back(ceiling);
      ceilings_[ceiling.dtype] = ceiling;
      say_(fmt::format("{}: {:.0f} GFLOP/s; copy: {:.0f} GB/s", ceiling.dtype, ceiling.gflops,
                       ceiling.gb_s));
    }
  }

  Tokens tokens_of(const Group& group, at::ScalarType dtype) const {
    const auto options = at::TensorOptions(at::kFloat).device(on_.device);
    const std::vector<int64_t> shape = {group.size.B, group.size.H, group.size.N, group.size.d};
    Tokens tokens;
    for (at::Tensor* x : {&tokens.inputs.q, &tokens.inputs.k, &tokens.inputs.v}) {
      *x = at::randn(shape, options).to(dtype);
    }
    tokens.inputs.causal = group.causal;
    tokens.upstream = at::ones_like(tokens.inputs.q);
    return tokens;
  }

  /// Rows that can be timed, after their gate and a few calls each: kernels are loaded and memory
  /// is there. The first of a run, and as many as there is time for. Adds the seconds of one call
  /// of all.
  std::vector<Task> admitted(const Group& group, double& round_s) {
    std::map<at::ScalarType, Tokens> tokens;
    std::vector<Task> tasks;
    for (const SweepRow& row : group.rows) {
      const bool first = rows_.empty() && tasks.empty();
      if (!first && seconds_left() <= kFewestSamples * round_s) {
        const auto rest = &group.rows.back() + 1 - &row;
        leave_out(fmt::format("{} rows of {}", rest, name_of(group)),
                  fmt::format("the {:g} s were over", options_.seconds));
        break;
      }
      gate(row, group);
      const bool wrong = wrong_.count({row.op, row.facts.d, row.facts.causal, row.dtype}) > 0;
      if (wrong || refused_.count(sizeless(row)) > 0) continue;
      if (tokens.count(row.dtype) == 0) tokens[row.dtype] = tokens_of(group, row.dtype);
      try {
        if (auto task = prepare(row, group, tokens.at(row.dtype))) {
          round_s += task->seconds;
          tasks.push_back(std::move(*task));
        }
      } catch (const c10::OutOfMemoryError& error) {
        leave_out(row.facts.key(), first_line(error));
      } catch (const c10::Error& error) {
        refused_.insert(sizeless(row));
        leave_out(sizeless(row), first_line(error));
        const bool own = row.op->kind == OperatorKind::kFused;
        if (own && !is_declined(error) && failure_.empty()) {
          failure_ = fmt::format("bench: {} failed: {}.", row.facts.key(), first_line(error));
        }
      }
    }
    return tasks;
  }

  bool too_much(const SweepRow& row, const Demand& demand) {
    const std::string reason = refusal(demand, limits_);
    if (!reason.empty()) leave_out(row.facts.key(), reason);
    return !reason.empty();
  }

  /// None where a call is too much.
  std::optional<Task> prepare(SweepRow row, const Group& group, const Tokens& tokens) {
    const Inputs leaves = with_params(tokens.inputs, *row.op, group.size, kCudaSeed)
                              .want_gradients()
                              .on(on_.device, row.dtype);
    const DeviceCeiling& ceiling = ceilings_.at(row.facts.dtype);
    set_work(row, group.size, leaves, {ceiling.gflops, ceiling.gb_s});
    if (too_much(row, {estimate_.seconds(row, *row.facts.flops), 0})) return std::nullopt;
    const auto run = pass_task(*row.op, leaves, tokens.upstream, row.pass);
    run();
    row.facts.peak_bytes = static_cast<double>(on_.peak_bytes(run));
    if (too_much(row, {0, *row.facts.peak_bytes})) return std::nullopt;
    const double seconds = on_.seconds(run);
    estimate_.add(row, *row.facts.flops, seconds);
    return Task{row, run, seconds};
  }

  /// How many rows it has timed.
  size_t time(const Group& group, double seconds) {
    double round_s = 0;
    std::vector<Task> tasks = admitted(group, round_s);
    std::mt19937 random(kCudaSeed);
    const int64_t rounds = repetitions_for(seconds, round_s);
    for (int64_t round = 0; round < rounds; ++round) {
      std::vector<Task*> order;
      for (Task& task : tasks) order.push_back(&task);
      std::shuffle(order.begin(), order.end(), random);
      for (Task* task : order) task->row.facts.samples.push_back(on_.seconds(task->run));
    }
    for (const Task& task : tasks) rows_.push_back(task.row.facts);
    return tasks.size();
  }

  const CudaBenchOptions& options_;
  const Accelerator& on_;
  Say say_;
  Limits limits_;
  std::vector<Group> groups_;  // still to be timed
  json file_;
  std::map<std::string, DeviceCeiling> ceilings_;                               // by dtype
  std::set<std::tuple<const Operator*, int64_t, bool, at::ScalarType>> wrong_;  // d, causal
  std::string failure_;                                                         // the first of them
  std::set<std::string> checked_;                                               // by the gate
  std::set<std::string> refused_;                                               // sizeless()
  Estimate estimate_;
  std::vector<reports::BenchRow> rows_;
  double begin_ = seconds_now();
};

}  // namespace

void run_cuda_bench(const CudaBenchOptions& options, const Accelerator& on, const Say& say) {
  CudaRun(options, on, say).run();
}

}  // namespace luna::bench
