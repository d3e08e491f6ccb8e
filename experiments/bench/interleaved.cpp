#include "experiments/bench/interleaved.h"

#include <benchmark/benchmark.h>

#include <map>

namespace luna::bench {
namespace {

/// Its own reporters print rows while they come and know no quartiles, rooflines or ratios: the
/// samples are taken here and written with the rest of a row.
class SampleReporter : public benchmark::BenchmarkReporter {
 public:
  explicit SampleReporter(std::vector<TimedTask>& tasks) {
    for (TimedTask& task : tasks) by_name_[task.name] = &task;
  }
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      by_name_.at(run.run_name.function_name)
          ->samples.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
    }
  }

 private:
  std::map<std::string, TimedTask*> by_name_;
};

/// Random interleaving is a flag of the command line and nothing else.
void initialize_once() {
  static const bool done = [] {
    std::string program = "luna", interleaving = "--benchmark_enable_random_interleaving=true";
    char* arguments[] = {program.data(), interleaving.data(), nullptr};
    int count = 2;
    benchmark::Initialize(&count, arguments);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

void sample_interleaved(std::vector<TimedTask>& tasks, int64_t repetitions) {
  if (tasks.empty()) return;
  initialize_once();
  for (TimedTask& task : tasks) {
    task.samples.clear();
    benchmark::RegisterBenchmark(task.name.c_str(),
                                 [&task](benchmark::State& state) {
                                   for (auto _ : state) task.run();
                                 })
        ->Iterations(task.calls)
        ->Repetitions(static_cast<int>(repetitions))
        ->UseRealTime();
  }
  SampleReporter reporter(tasks);
  benchmark::RunSpecifiedBenchmarks(&reporter, ".");
  benchmark::ClearRegisteredBenchmarks();
}

}  // namespace luna::bench
