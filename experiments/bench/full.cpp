#include "experiments/bench/full.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "experiments/bench/admission.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/budget.h"
#include "experiments/bench/clock.h"
#include "experiments/bench/interleaved.h"
#include "experiments/bench/memory.h"
#include "experiments/bench/model.h"
#include "experiments/bench/store.h"
#include "reports/views/format.h"

namespace luna::bench {
namespace {

using nlohmann::json;

constexpr uint64_t kSweepSeed = 1;
constexpr double kSampleSeconds = 0.01;  // a sample is the mean of calls of this long
constexpr double kGib = 1 << 30, kMib = 1 << 20;
constexpr const char* kSweepMethod =
    "All operators of one size, number of threads and causal or not run in one process, "
    "float32, on the same q, k, v; Google Benchmark runs their repetitions in one random order. "
    "A sample is the mean of so many calls in a row as take 10 ms, one where a call takes "
    "longer. Forward is without gradients; forward + backward gives gradients to q, k, v and "
    "every parameter of the feature map; a decoding step takes one token into every state. {} "
    "Roofline: the longer of operations by the FMA peak and bytes by the triad bandwidth, as "
    "modelled for each operator in experiments/bench/work.h; data that stay in cache, and a "
    "kernel that saves operations of the model (LUNA sums values by psi's segments, in place of "
    "features), can be quicker than that. Peak bytes: tensors beyond q, k, v and parameters "
    "during one call.";

class FullRun {
 public:
  FullRun(const FullOptions& options, std::function<void(const std::string&)> say)
      : options_(options),
        say_(std::move(say)),
        limits_(limits(options)),
        store_(options.file, head(), options.anew),
        admission_(limits_),
        groups_(sweep_groups(options.sizes, options.threads, options.filter)) {}

  std::vector<std::string> run() {
    drop_settled();
    announce();
    gate();
    measure_all_ceilings();
    store_.save();
    const size_t all = groups_.size();
    for (bool in_time = true; in_time && !groups_.empty();) {
      Group& group = groups_.front();
      time(group, share_of(group, groups_, budget_left()));
      store_.save();
      in_time = group.rows.empty() && budget_left() > 0;
      say_(fmt::format("[{}/{}] {}, d {}{}, {}: {:.0f} s; at most {:.0f} s to go",
                       all - groups_.size() + 1, all, group.size.name, group.size.d,
                       group.causal ? ", causal" : "", reports::threads(group.threads),
                       seconds_now() - begin_, std::max(budget_left(), 0.0)));
      if (group.rows.empty()) groups_.erase(groups_.begin());
    }
    if (!groups_.empty()) {
      say_(fmt::format("the {:g} minutes are over with {} rows to go; the same command goes on",
                       options_.minutes, rows_left()));
    }
    return over_limit_;
  }

 private:
  static Limits limits(const FullOptions& options) {
    const double half = bench_environment().at("memory_gib").get<double>() / 2;
    return {options.call_seconds, kGib * (options.memory_gib > 0 ? options.memory_gib : half)};
  }

  json head() const {
    return {{"method", fmt::format(kSweepMethod, kWithinTheTime)},
            {"environment", bench_environment()},
            {"options",
             {{"minutes", options_.minutes},
              {"call_seconds", limits_.call_seconds},
              {"memory_gib", limits_.bytes / kGib}}}};
  }

  void announce() {
    if (store_.found() == Store::Found::kOwn) {
      say_(fmt::format("{} has {} rows of this library, processor and options: they are kept",
                       options_.file.string(), store_.rows()));
    }
    if (store_.found() == Store::Found::kForeign) {
      say_(fmt::format("{} is of another library, processor or choice of options: timing again",
                       options_.file.string()));
    }
    const auto [checks, ceilings] = least();
    say_(fmt::format(
        "{:g} minutes for everything; the gate ({} operators and modes against float64), the "
        "ceilings of {} numbers of threads and one row are made in any case, which takes some "
        "{:.0f} s. Ctrl-C keeps what is timed, the same command goes on. Left out is what takes "
        "more than {:g} s or {:.1f} GiB a call.",
        options_.minutes, checks, ceilings,
        gate_seconds(checks) + 3 * kCeilingSeconds * static_cast<double>(ceilings),
        limits_.call_seconds, limits_.bytes / kGib));
  }

  /// Operators and modes that the gate checks, and numbers of threads whose ceilings are measured.
  std::pair<size_t, size_t> least() const {
    std::set<std::tuple<std::string, int64_t, bool>> checks;
    std::set<int> ceilings;
    for (const Group& group : groups_) {
      for (const SweepRow& row : group.rows) {
        checks.emplace(row.op->name, group.size.d, group.causal);
      }
      ceilings.insert(group.threads);
    }
    return {checks.size(), ceilings.size()};
  }

  size_t rows_left() const {
    size_t rows = 0;
    for (const Group& group : groups_) rows += group.rows.size();
    return rows;
  }

  void drop_settled() {
    for (Group& group : groups_) {
      const auto settled = [&](const SweepRow& row) { return store_.has(row.facts.key()); };
      group.rows.erase(std::remove_if(group.rows.begin(), group.rows.end(), settled),
                       group.rows.end());
    }
    const auto empty = [](const Group& group) { return group.rows.empty(); };
    groups_.erase(std::remove_if(groups_.begin(), groups_.end(), empty), groups_.end());
  }

  void gate() {
    for (const Group& group : groups_) {
      for (const SweepRow& row : group.rows) admission_.refused(*row.op, group.size, group.causal);
    }
    for (const auto& [result, d, causal] : admission_.passed()) {
      store_.add_gate({{"operator", result.name},
                       {"d", d},
                       {"causal", causal},
                       {"max_error", result.max_error},
                       {"limit", result.limit}});
    }
    say_(fmt::format("gate passed: {} operators and modes against float64",
                     admission_.passed().size()));
  }

  /// In every run, a resumed one too: what is timed now has the ceilings of now.
  void measure_all_ceilings() {
    std::set<int> threads;
    for (const Group& group : groups_) threads.insert(group.threads);
    for (const int count : threads) {
      const Ceilings found = measure_ceilings(count, kCeilingSeconds);
      const Ceilings* before = store_.ceilings(count);
      if (before != nullptr && differ(*before, found)) {
        say_(fmt::format("{}: {:.0f} GFLOP/s, {:.1f} GB/s when earlier rows were timed",
                         reports::threads(count), before->gflops, before->gb_s));
      }
      store_.add(found);
      say_(fmt::format("{}: {:.0f} GFLOP/s ({}), {:.1f} GB/s", reports::threads(count),
                       found.gflops, found.isa, found.gb_s));
    }
  }

  /// By more than 5 %: another clock, or another load.
  static bool differ(const Ceilings& before, const Ceilings& now) {
    const auto apart = [](double x, double y) { return std::abs(x - y) > 0.05 * y; };
    return apart(before.gflops, now.gflops) || apart(before.gb_s, now.gb_s);
  }

  /// Whether the row is timed; else it is noted, an operator's own refusal said once.
  bool admitted(const SweepRow& row, const Group& group) {
    const std::string reason = admission_.reason(row, group);
    if (reason.empty()) return true;
    store_.leave_out(row.facts.key(), reason);
    const bool own = !admission_.refused(*row.op, group.size, group.causal).empty();
    const std::string subject = own ? row.op->name : row.facts.key();
    if (said_.insert(subject + reason).second) say_("not timed: " + subject + ": " + reason);
    return false;
  }

  /// Fills what is known before timing, calling the task twice; adds the seconds of a sample to
  /// round_s.
  TimedTask prepare(SweepRow& row, const Group& group, const Inputs& tokens,
                    const at::Tensor& upstream, double& round_s) {
    const Inputs leaves = with_params(tokens, *row.op, group.size, kSweepSeed + 1).want_gradients();
    const Ceilings& ceilings = *store_.ceilings(group.threads);
    set_work(row, group.size, leaves, {ceilings.gflops, ceilings.gb_s});
    TimedTask task{row.facts.key(), pass_task(*row.op, leaves, upstream, row.pass), 1, {}};
    row.facts.peak_bytes = static_cast<double>(peak_bytes(task.run));
    check_memory(row, group.size);
    const double begin = seconds_now();
    task.run();
    const double call_s = seconds_now() - begin;
    task.calls = row.facts.calls = std::max<int64_t>(1, std::llround(kSampleSeconds / call_s));
    round_s += call_s * static_cast<double>(task.calls);
    return task;
  }

  void check_memory(const SweepRow& row, const Size& size) {
    const double limit = fused_peak_limit(*row.op, size, row.facts.D, row.pass);
    if (row.op->kind != OperatorKind::kFused || *row.facts.peak_bytes <= limit) return;
    over_limit_.push_back(
        fmt::format("{} holds {:.1f} MiB, more than the {:.1f} of an operator that "
                    "keeps no features",
                    row.facts.key(), *row.facts.peak_bytes / kMib, limit / kMib));
  }

  /// Takes rows from the group and times them: the first, and as many as the budget has time for.
  void time(Group& group, double seconds) {
    const double end = seconds_now() + seconds;
    at::set_num_threads(group.threads);
    Inputs tokens = draw_tokens(group.size, kSweepSeed);
    tokens.causal = group.causal;
    const at::Tensor upstream = at::randn_like(tokens.q);
    tokens.want_gradients();
    std::vector<SweepRow> rows;
    std::vector<TimedTask> tasks;
    double round_s = 0;
    do {
      SweepRow row = group.rows.front();
      group.rows.erase(group.rows.begin());
      if (!admitted(row, group)) continue;
      tasks.push_back(prepare(row, group, tokens, upstream, round_s));
      rows.push_back(row);
    } while (!group.rows.empty() && budget_left() > kFewestSamples * round_s);
    sample_interleaved(tasks, repetitions_for(end - seconds_now(), round_s));
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].facts.samples = std::move(tasks[i].samples);
      store_.add(rows[i].facts);
    }
  }

  double budget_left() const { return 60 * options_.minutes - (seconds_now() - begin_); }

  FullOptions options_;
  std::function<void(const std::string&)> say_;
  Limits limits_;
  Store store_;
  Admission admission_;
  std::vector<Group> groups_;  // still to be timed
  std::set<std::string> said_;
  std::vector<std::string> over_limit_;
  double begin_ = seconds_now();
};

}  // namespace

std::vector<std::string> run_full(const FullOptions& options,
                                  const std::function<void(const std::string&)>& say) {
  return FullRun(options, say).run();
}

}  // namespace luna::bench
