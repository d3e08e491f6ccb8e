#include "experiments/autotune/tuner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "experiments/bench/clock.h"
#include "experiments/bench/gate.h"
#include "reports/bench/samples.h"

namespace luna::autotune {
namespace {

constexpr int kFewestRounds = 3;  // a rung

/// A candidate of one pipeline while it is tuned.
struct Trial {
  Parameters parameters;
  std::string name;
  kernels::Pipeline entry;
};

/// The pipeline is another one as long as this lives.
class Replaced {
 public:
  Replaced(std::string pipeline, kernels::Pipeline entry) : pipeline_(std::move(pipeline)) {
    kernels::replace_pipeline(pipeline_, entry);
  }
  ~Replaced() { kernels::replace_pipeline(pipeline_, nullptr); }
  Replaced(const Replaced&) = delete;

 private:
  std::string pipeline_;
};

class PipelineTuning {
 public:
  PipelineTuning(const TunerOptions& options, const Tunable& tunable,
                 const std::vector<Workload>& workloads, int64_t rows, State& state)
      : options_(options),
        tunable_(tunable),
        rows_(rows),
        pipeline_(tunable.pipeline),
        key_(rows ? fmt::format("{} to {}", tunable.pipeline, rows) : tunable.pipeline),
        state_(state) {
    for (const Workload& workload : workloads) {
      if (runs(workload, pipeline_)) workloads_.push_back(&workload);
    }
  }

  Tuned run(double seconds) {
    const double end = bench::seconds_now() + seconds;
    if (workloads_.empty()) {
      options_.say(fmt::format("[{}] no workload calls it: its schedule stays", key_));
      return outcome();
    }
    if (state_.done(key_)) return outcome();
    options_.before_timing();
    load_trials();
    const bool usual = !trials_.empty() && trials_.front().parameters == tunable_.defaults();
    if (!usual) {
      options_.say(fmt::format("[{}] its default is out ({}): its schedule stays", key_,
                               state_.reason(pipeline_, text_of(tunable_.defaults()))));
    }
    if (!usual || alive().empty()) return outcome();
    if (state_.alive(key_).empty()) state_.enter(key_, 0, alive());
    const int rungs = rungs_of(alive().size());
    for (int left = rungs; left > 0 && !state_.done(key_); --left) {
      climb((end - bench::seconds_now()) / left, left);
    }
    state_.finish(key_);
    state_.save();
    return outcome();
  }

 private:
  Candidate at(const Parameters& parameters) const {
    return candidate_at(options_.folder, tunable_, parameters);
  }

  /// Loads what is not settled and checks it; the default first.
  void load_trials() {
    options_.say(fmt::format("[{}] called by {} workloads; checking candidates against float64",
                             key_, workloads_.size()));
    for (const Parameters& parameters : unsettled(tunable_, state_)) {
      const std::string name = text_of(parameters);
      Trial trial{parameters, name, load(at(parameters))};
      const std::string wrong = check(trial);
      if (wrong.empty()) {
        trials_.push_back(trial);
      } else {
        state_.settle(pipeline_, name, wrong);
        options_.say(fmt::format("[{}] {}: {}", key_, name, wrong));
      }
      state_.save();
    }
  }

  /// The candidates of this rung.
  std::vector<std::string> alive() const {
    const std::vector<std::string> noted = state_.alive(key_);
    std::vector<std::string> names;
    for (const Trial& trial : trials_) {
      const bool kept =
          noted.empty() || std::find(noted.begin(), noted.end(), trial.name) != noted.end();
      if (kept && trial.parameters != tunable_.defaults()) names.push_back(trial.name);
    }
    return names;
  }

  /// Why a candidate is wrong; "" where it is right.
  std::string check(const Trial& trial) {
    if (!state_.seconds(key_, trial.name).empty()) return "";  // checked before the restart
    if (rows_ > 0 && state_.done(pipeline_)) return "";        // checked for all calls
    state_.try_now(pipeline_, trial.name);
    const Replaced scope(pipeline_, trial.entry);
    try {
      const std::string wrong = compare();
      state_.try_now(pipeline_, "");
      return wrong;
    } catch (const c10::OutOfMemoryError&) {  // no fault of the candidate's
      state_.try_now(pipeline_, "");
      throw;
    }
  }

  /// The same of the candidate in place: every operator that calls the pipeline against the
  /// formula, and once as it is timed, which is of more heads on a GPU.
  std::string compare() {
    std::string wrong;
    for (const Workload* workload : workloads_) {
      const Call& call = *workload->call;
      const bench::GateResult result =
          bench::check(through(call.op, options_.device), workload->size, call.causal, call.dtype);
      if (!result.passed() && wrong.empty()) {
        wrong = fmt::format("wrong: {} is off by {:.2g}, {:.2g} accepted", result.name,
                            result.max_error, result.limit);
      }
      if (wrong.empty()) options_.clock(workload->run);
    }
    return wrong;
  }

  /// The logarithm of a trial's seconds, mean over the workloads.
  double log_seconds(const Trial& trial) {
    const Replaced scope(pipeline_, trial.entry);
    double sum = 0;
    for (const Workload* workload : workloads_) sum += std::log(options_.clock(workload->run));
    return sum / static_cast<double>(workloads_.size());
  }

  /// One call of every workload by the default and by every candidate, in a random order.
  void round(const std::vector<std::string>& alive) {
    std::vector<const Trial*> order = {&trials_.front()};
    for (const Trial& trial : trials_) {
      if (std::find(alive.begin(), alive.end(), trial.name) != alive.end()) order.push_back(&trial);
    }
    std::shuffle(order.begin(), order.end(), random_);
    std::vector<double> logs;
    double usual = 0;
    for (const Trial* trial : order) {
      logs.push_back(log_seconds(*trial));
      if (trial == &trials_.front()) usual = logs.back();
    }
    for (size_t i = 0; i < order.size(); ++i) {
      state_.add_seconds(key_, order[i]->name, std::exp(logs[i]));
      if (order[i] != &trials_.front()) {
        state_.add(key_, order[i]->name, std::exp(logs[i] - usual));
      }
    }
    state_.save();
  }

  /// Rounds of one rung for so many seconds, then the better third go on.
  void climb(double seconds, int left) {
    const std::vector<std::string> names = alive();
    const double begin = bench::seconds_now();
    for (int k = 0; k < kFewestRounds || bench::seconds_now() - begin < seconds; ++k) round(names);
    const std::vector<std::string> better = better_third(state_, key_, names);
    const Verdict best = verdict(state_.ratios(key_, better.front()));
    if (left > 1) state_.enter(key_, state_.rung(key_) + 1, better);
    state_.save();
    options_.say(fmt::format(
        "[{}] {} candidates, {} rounds; best: {} at {:.3f} of the default; {}", key_, names.size(),
        best.rounds, better.front(), best.ratio,
        left > 1 ? fmt::format("about {:.0f} s to go", (left - 1) * std::max(0.0, seconds))
                 : "done"));
  }

  Tuned outcome() const {
    Tuned tuned{tunable_, tunable_.defaults(), {1, 1, 1, 0}};
    tuned.rows = rows_;
    const std::vector<std::string> alive = state_.alive(key_);
    if (alive.empty() || !state_.done(key_)) return tuned;
    tuned.verdict = verdict(state_.ratios(key_, alive.front()));
    tuned.seconds_before = reports::median(state_.seconds(key_, text_of(tuned.chosen)));
    tuned.seconds_after = reports::median(state_.seconds(key_, alive.front()));
    for (const Parameters& parameters : tunable_.candidates()) {
      if (text_of(parameters) == alive.front() && tuned.verdict.gain()) tuned.chosen = parameters;
    }
    return tuned;
  }

  const TunerOptions& options_;
  const Tunable& tunable_;
  const int64_t rows_;  ///< of the bucket, or 0
  const std::string pipeline_;
  const std::string key_;  ///< in the state
  State& state_;
  std::vector<const Workload*> workloads_;
  std::vector<Trial> trials_;  ///< the default first
  std::mt19937 random_{1};
};

}  // namespace

State resume(const std::filesystem::path& folder, const nlohmann::json& key) {
  State state(folder / "state.json", key);
  if (state.resumed()) return state;
  remove_candidates(folder);
  state.save();  // the key is noted only once another's candidates are gone
  return state;
}

std::vector<Tunable> called(const TunerOptions& options, const std::vector<Tunable>& tunables,
                            const std::vector<Workload>& workloads) {
  std::vector<Tunable> kept;
  for (const Tunable& tunable : tunables) {
    const bool any = std::any_of(workloads.begin(), workloads.end(), [&](const Workload& workload) {
      return runs(workload, tunable.pipeline);
    });
    if (any) kept.push_back(tunable);
    if (!any)
      options.say(fmt::format("[{}] no workload calls it: its schedule stays", tunable.pipeline));
  }
  return kept;
}

std::vector<Tuned> tune_all(const TunerOptions& options, const std::vector<Tunable>& tunables,
                            const Workloads& workloads, double seconds, State& state) {
  const double end = bench::seconds_now() + seconds;
  const bool buckets = !workloads.few_rows.empty();
  std::vector<const Tunable*> ready;
  for (const Tunable& tunable : tunables) {
    const int64_t left = uncompiled(options, tunable, state);
    if (left == 0) ready.push_back(&tunable);
    if (left > 0) {
      options.say(fmt::format("[{}] candidates not compiled: {}; left for the next run",
                              tunable.pipeline, left));
    }
  }
  std::vector<Tuned> tuned;
  size_t open = ready.size() * (buckets ? 2 : 1);
  const auto tune = [&](const std::vector<Workload>& timed, int64_t rows) {
    for (const Tunable* tunable : ready) {
      const double left = end - bench::seconds_now();
      PipelineTuning one(options, *tunable, timed, rows, state);
      tuned.push_back(one.run(left / static_cast<double>(open--)));
    }
  };
  tune(workloads.all, 0);
  if (buckets) tune(workloads.few_rows, kFewRows);
  return tuned;
}

}  // namespace luna::autotune
