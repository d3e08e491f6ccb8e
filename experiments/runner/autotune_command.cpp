// `luna autotune`: finds the schedules that are fastest on this processor or GPU.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "experiments/autotune/ranking.h"
#include "experiments/autotune/schedule_file.h"
#include "experiments/bench/clock.h"
#include "experiments/bench/cuda.h"
#include "experiments/bench/event_timer.h"
#include "experiments/bench/gpu_state.h"
#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/progress.h"
#include "experiments/train/environment.h"
#include "experiments/train/lock.h"
#include "runtime/halide/cuda_driver.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using autotune::Tunable;
using nlohmann::json;

/// Of the minutes: a candidate that no time is left to compare has been compiled in vain.
constexpr double kCompileShare = 0.5;
constexpr const char* kArchitecture = "sm_90";  // without a GPU: of an H100

double seconds_of(const std::function<void()>& run) {
  const double begin = bench::seconds_now();
  run();
  return bench::seconds_now() - begin;
}

json versions() {
  const json environment = capture_environment();
  json kept;
  for (const char* key : {"luna", "commit", "halide", "torch", "compiler"}) {
    kept[key] = environment.value(key, json());
  }
  return kept;
}

/// What was measured, for people and for the next build. The file keeps what it has of pipelines
/// that were not tuned now.
void write_schedule(const AutotuneOptions& options, const std::string& device,
                    const std::vector<autotune::Tuned>& tuned) {
  if (tuned.empty()) return say("nothing is tuned yet: the same command goes on");
  fmt::print("{}", autotune::report(tuned));
  const fs::path file = options.schedules / autotune::file_name(device);
  std::ifstream stream(file);
  const json before = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  const json schedule = autotune::schedule(options.device, device, versions(), tuned, before);
  if (!schedule.is_null()) {
    io::write_file_atomically(file, schedule.dump(1) + "\n");
    say(file.string() + ": the next build uses it");
  } else if (fs::remove(file)) {
    say("no gain on " + device + ": the default schedules are back, " + file.string() +
        " is removed");
  } else {
    say("no gain on " + device + ": the default schedules stay, nothing is written");
  }
}

/// As far as it goes without a device, of pipelines whose candidates are all compiled.
void print_rankings(const autotune::Assembler& assembler, const autotune::TunerOptions& tuner,
                    const std::vector<Tunable>& tunables, const autotune::State& state) {
  for (const Tunable& tunable : tunables) {
    if (autotune::uncompiled(tuner, tunable, state) > 0) continue;
    std::vector<autotune::Ranked> ranked;
    for (const autotune::Parameters& one : tunable.candidates()) {
      const autotune::Candidate candidate = candidate_at(tuner.folder, tunable, one);
      autotune::Inspection known;
      known.reason = state.reason(tunable.pipeline, autotune::text_of(one));
      if (compiled(candidate)) known = autotune::inspect(assembler, tunable, candidate);
      ranked.push_back({one, known});
    }
    fmt::print("{}", autotune::ranking(tunable, assembler.architecture, ranked));
    std::fflush(stdout);
  }
}

autotune::Architecture asked_architecture(const std::string& name) {
  try {
    return autotune::architecture(name);
  } catch (const std::runtime_error& error) {
    throw UsageError(fmt::format("--architecture: {}", error.what()));
  }
}

/// The GPU's where there is one.
autotune::Architecture architecture_of(const AutotuneOptions& options, bool gpu) {
  const int capability = gpu ? halide::compute_capability(0) : 0;
  const std::string& asked = options.architecture;
  const autotune::Architecture wanted = asked_architecture(asked.empty() ? kArchitecture : asked);
  if (capability == 0) return wanted;
  const autotune::Architecture there = autotune::architecture_of(capability);
  if (asked.empty() || asked == there.name) return there;
  throw UsageError(fmt::format("--architecture: '{}', but the GPU is {}", asked, there.name));
}

void check_ptxas(const std::string& ptxas) {
  if (fs::exists(ptxas)) return;
  throw UsageError("autotune --device cuda needs ptxas: install the CUDA toolkit, or triton");
}

autotune::TunerOptions tuner_of(const AutotuneOptions& options, const std::string& device,
                                const std::optional<autotune::Assembler>& assembler) {
  autotune::TunerOptions tuner;
  tuner.tools = {options.generators, options.compiler};
  tuner.folder = options.folder / fs::path(autotune::file_name(device)).stem();
  tuner.jobs = options.jobs;
  tuner.clock = seconds_of;
  tuner.say = say;
  if (assembler) {
    tuner.inspect = [=](const Tunable& tunable, const autotune::Candidate& candidate) {
      return autotune::inspect(*assembler, tunable, candidate).reason;
    };
  }
  return tuner;
}

void refuse_busy_gpu(const AutotuneOptions& options) {
  bench::refuse_unless(options.force, "autotune", bench::busy_gpu(bench::gpu_state()));
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

/// Likewise between pipelines.
std::function<void()> refusal_while_busy(const AutotuneOptions& options) {
  if (options.force) return [] {};
  return [watch = bench::BusyWatch(bench::gpu_state, sleep_for, bench::seconds_now)]() mutable {
    bench::refuse_unless(false, "autotune", watch.problem());
  };
}

/// The spaces, the programs that make candidates, and those that judge them: this one's rules.
autotune::State state_of(const AutotuneOptions& options, const fs::path& folder,
                         const std::string& device, const std::string& architecture) {
  const std::vector<fs::path> files = {options.tunables, options.generators, options.predict,
                                       "/proc/self/exe"};
  return autotune::resume(folder, autotune::state_key(files, device, architecture));
}

int tune(const AutotuneOptions& options, std::vector<Tunable> tunables) {
  const double seconds = 60 * options.minutes, end = bench::seconds_now() + seconds;
  const bool cuda = options.device == "cuda";
  const std::string missing = cuda ? bench::open_cuda() : "";
  const std::string device = !cuda             ? kernels::processor_name()
                             : missing.empty() ? halide::device_name(0)
                                               : "no GPU";
  std::optional<autotune::Assembler> assembler;
  if (cuda) {
    assembler = {options.ptxas, architecture_of(options, missing.empty()), options.predict};
    check_ptxas(options.ptxas);
  }
  autotune::TunerOptions tuner = tuner_of(options, device, assembler);
  const FolderLock lock(tuner.folder, "choose another folder with --folder");
  autotune::State state =
      state_of(options, tuner.folder, device, assembler ? assembler->architecture.name : "");
  say(
      fmt::format("{}: pipelines: {}, minutes: {:g}; Ctrl-C keeps what is known, the same command "
                  "goes on{}",
                  device, tunables.size(), options.minutes,
                  state.resumed() ? "; going on with " + tuner.folder.string() : ""));
  if (!missing.empty()) {  // no time is needed for comparisons
    autotune::compile_all(tuner, tunables, seconds, state);
    print_rankings(*assembler, tuner, tunables, state);
    say("stopped here: " + missing);
    return 0;
  }
  at::set_num_threads(1);
  std::optional<bench::EventTimer> timer;
  if (cuda) {
    refuse_busy_gpu(options);  // before anything of ours keeps it busy
    tuner.device = c10::Device(c10::kCUDA, 0);
    timer.emplace(tuner.device);
    tuner.clock = [&](const std::function<void()>& run) { return timer->seconds(run); };
    tuner.before_timing = refusal_while_busy(options);
  }
  const autotune::Workloads workloads = autotune::workloads(tuner.device);
  if (cuda) tunables = autotune::called(tuner, tunables, workloads.few_rows);
  autotune::compile_all(tuner, tunables, kCompileShare * seconds, state);
  const double left = end - bench::seconds_now();
  write_schedule(options, device, autotune::tune_all(tuner, tunables, workloads, left, state));
  return 0;
}

}  // namespace

int run(const AutotuneOptions& options) {
  if (options.device != "cuda" && !options.architecture.empty()) {
    throw UsageError("--architecture goes with --device cuda");
  }
  if (!fs::exists(options.tunables)) {
    throw UsageError(
        fmt::format("autotune needs the build that this program is of, and {} is not there; run it "
                    "in the checkout",
                    options.tunables.string()));
  }
  const std::vector<Tunable> tunables =
      autotune::read_tunables(options.tunables, options.device, options.only);
  if (tunables.empty()) {
    throw UsageError(fmt::format("no pipeline of {} with a schedule to tune is named like '{}'",
                                 options.device, options.only));
  }
  return tune(options, tunables);
}

}  // namespace luna::experiments
