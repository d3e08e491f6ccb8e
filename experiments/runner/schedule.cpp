#include "experiments/runner/schedule.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "experiments/runner/process.h"
#include "experiments/runner/progress.h"

namespace luna::experiments {
namespace {

constexpr int kWaitMilliseconds = 200;

volatile sig_atomic_t g_interrupted = 0;

/// SIGINT and SIGTERM set a flag while alive.
class SignalGuard {
 public:
  SignalGuard() {
    struct sigaction action {};
    action.sa_handler = [](int) { g_interrupted = 1; };
    sigaction(SIGINT, &action, &before_[0]);
    sigaction(SIGTERM, &action, &before_[1]);
  }
  ~SignalGuard() {
    sigaction(SIGINT, &before_[0], nullptr);
    sigaction(SIGTERM, &before_[1], nullptr);
  }

 private:
  struct sigaction before_[2];
};

struct Job {
  Running running;
  std::unique_ptr<Child> child;
};

Job start(const Cell& cell, const ScheduleOptions& options) {
  Job job;
  job.running.name = cell.name();
  job.running.seconds = cell.seconds;
  job.running.steps = cell.config.train.steps;
  job.child = std::make_unique<Child>(
      std::vector<std::string>{"cell", cell.folder.string(), "--data", options.data.string(),
                               "--json", to_json(cell.config).dump()});
  return job;
}

/// Takes the progress line that `luna cell` writes.
void update(Job& job) {
  const auto line = nlohmann::json::parse(job.child->last_output(), nullptr, false);
  if (!line.is_object()) return;
  job.running.step = line.value("step", int64_t{0});
  job.running.seconds_per_step = line.value("seconds_per_step", 0.0);
  if (line.contains("loss") && line["loss"].is_number()) job.running.loss = line["loss"];
}

/// Cells that are not done, the longest first, so that no long one is left alone at the end.
std::vector<Cell> waiting_cells(const std::vector<Cell>& cells) {
  std::vector<Cell> waiting;
  for (const Cell& cell : cells) {
    if (!cell.done) waiting.push_back(cell);
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const Cell& a, const Cell& b) { return a.seconds > b.seconds; });
  return waiting;
}

std::vector<Running> running_cells(const std::vector<Job>& jobs) {
  std::vector<Running> running;
  for (const Job& job : jobs) running.push_back(job.running);
  return running;
}

/// Takes what the jobs say; removes those that ended.
void collect(std::vector<Job>& jobs, Progress& progress, std::vector<Failure>& failures) {
  for (auto job = jobs.begin(); job != jobs.end();) {
    const bool ended = job->child->poll();
    update(*job);
    if (!ended) {
      ++job;
      continue;
    }
    const std::string failure = job->child->failure();
    if (!failure.empty()) failures.push_back({job->running.name, failure});
    progress.finished(job->running.seconds);
    job = jobs.erase(job);
  }
}

void wait_for_jobs(const std::vector<Job>& jobs) {
  std::vector<const Child*> children;
  for (const Job& job : jobs) children.push_back(job.child.get());
  wait_for_any(children, kWaitMilliseconds);
}

}  // namespace

int usual_jobs() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 2); }

std::vector<Failure> train_cells(const std::vector<Cell>& cells, const ScheduleOptions& options) {
  const std::vector<Cell> waiting = waiting_cells(cells);
  double seconds = 0;
  for (const Cell& cell : waiting) seconds += cell.seconds;
  Progress progress(waiting.size(), seconds, options.jobs);
  std::vector<Failure> failures;
  std::vector<Job> jobs;
  const SignalGuard guard;
  size_t next = 0;
  while ((next < waiting.size() || !jobs.empty()) && !g_interrupted) {
    while (next < waiting.size() && jobs.size() < static_cast<size_t>(options.jobs)) {
      jobs.push_back(start(waiting[next++], options));
    }
    progress.show(running_cells(jobs));
    wait_for_jobs(jobs);
    collect(jobs, progress, failures);
  }
  progress.close();
  if (g_interrupted) {
    throw Interrupted("interrupted: the same command goes on from the checkpoints");
  }
  return failures;
}

int report_failures(const std::vector<Failure>& failures) {
  for (const Failure& failure : failures) {
    fmt::print(stderr, "failed: {}: {}\n", failure.cell, failure.reason);
  }
  return failures.empty() ? 0 : 1;
}

}  // namespace luna::experiments
