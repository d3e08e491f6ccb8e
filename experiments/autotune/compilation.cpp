#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "experiments/autotune/tuner.h"
#include "experiments/bench/clock.h"

namespace luna::autotune {

std::vector<Parameters> unsettled(const Tunable& tunable, const State& state) {
  std::vector<Parameters> open = tunable.candidates();
  const auto settled = [&](const Parameters& parameters) {
    return !state.reason(tunable.pipeline, text_of(parameters)).empty();
  };
  open.erase(std::remove_if(open.begin(), open.end(), settled), open.end());
  return open;
}

int64_t uncompiled(const TunerOptions& options, const Tunable& tunable, const State& state) {
  const std::vector<Parameters> open = unsettled(tunable, state);
  return std::count_if(open.begin(), open.end(), [&](const Parameters& parameters) {
    return !compiled(candidate_at(options.folder, tunable, parameters));
  });
}

namespace {

/// What compiling and inspecting say of a candidate; "" for nothing.
std::string problem_of(const TunerOptions& options, const Tunable& tunable,
                       const Parameters& parameters, const Candidate& candidate) try {
  const std::string problem = compile(options.tools, tunable, parameters, candidate);
  return problem.empty() ? options.inspect(tunable, candidate) : problem;
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace

void compile_all(const TunerOptions& options, const std::vector<Tunable>& tunables, double seconds,
                 State& state) {
  struct Job {
    const Tunable* tunable;
    Parameters parameters;
  };
  std::vector<Job> jobs;
  for (const Tunable& tunable : tunables) {
    for (const Parameters& parameters : unsettled(tunable, state)) {
      jobs.push_back({&tunable, parameters});
    }
  }
  std::atomic<size_t> next = 0, left = 0;
  std::mutex mutex;
  size_t finished = 0;
  const double begin = bench::seconds_now();
  const auto work = [&] {
    for (size_t i; (i = next++) < jobs.size();) {
      const auto& [tunable, parameters] = jobs[i];
      const Candidate candidate = candidate_at(options.folder, *tunable, parameters);
      if (!compiled(candidate) && bench::seconds_now() - begin >= seconds) {
        ++left;
        continue;
      }
      const std::string problem = problem_of(options, *tunable, parameters, candidate);
      const std::lock_guard lock(mutex);
      if (!problem.empty()) state.settle(tunable->pipeline, text_of(parameters), problem);
      if (++finished % 10 != 0 && finished != jobs.size()) continue;
      const double each = (bench::seconds_now() - begin) / static_cast<double>(finished);
      options.say(fmt::format("compiled {} of {} candidates, about {:.0f} s to go", finished,
                              jobs.size(), each * static_cast<double>(jobs.size() - finished)));
      state.save();
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < options.jobs; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  state.save();
  if (left > 0) {
    options.say(
        fmt::format("compiled {} of {} candidates in the time for it; the rest is left for "
                    "the next run",
                    finished, jobs.size()));
  }
}

}  // namespace luna::autotune
