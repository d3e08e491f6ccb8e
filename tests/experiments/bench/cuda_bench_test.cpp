// What can be said of timing on a GPU without one: its rows, what is left out, what counts as
// noise. The whole benchmark runs with the CPU in a GPU's place.
#include "experiments/bench/cuda_bench.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "experiments/bench/clock.h"
#include "experiments/bench/cuda_admission.h"
#include "experiments/bench/memory.h"
#include "experiments/bench/model.h"
#include "reports/bench/table.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::bench {
namespace {

using luna::testing::error_of;
using luna::testing::TemporaryFolder;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(GpuState, IsReadFromNvidiaSmi) {
  const GpuState state = parse_gpu_state("NVIDIA H100 80GB HBM3, 570.86.15, 1980, 2619, 121.55, 3");
  EXPECT_EQ(state.name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(state.driver, "570.86.15");
  EXPECT_EQ(state.sm_mhz, 1980);
  EXPECT_EQ(state.memory_mhz, 2619);
  EXPECT_EQ(state.watts, 121.55);
  EXPECT_EQ(busy_gpu(state), "");
}

/// Of a part of a GPU nvidia-smi knows no use.
TEST(GpuState, IsUnknownWhereNvidiaSmiDoesNotSay) {
  const GpuState part = parse_gpu_state("A, 1, 1980, [N/A], [Not Supported], [N/A]");
  EXPECT_EQ(part.sm_mhz, 1980);
  EXPECT_TRUE(to_json(part)["memory_mhz"].is_null());
  const char* unknown = "nvidia-smi does not say whether another process uses the GPU";
  EXPECT_EQ(busy_gpu(part), unknown);
  for (const char* line : {"", "sh: 1: nvidia-smi: not found", "A, 1, 2", "1, 2, 3, 4, 5, 6, 7"}) {
    EXPECT_EQ(parse_gpu_state(line).name, "");
    EXPECT_EQ(busy_gpu(parse_gpu_state(line)), unknown);
  }
}

TEST(GpuState, RefusesABusyGpu) {
  GpuState state;
  state.percent_used = 40;
  EXPECT_EQ(busy_gpu(state), "another process uses the GPU (40 % busy)");
}

/// A GPU of these uses, one after the other, and a clock that pauses alone move.
struct WatchedGpu {
  std::vector<double> percents;
  size_t asked = 0;
  double now = 0;

  BusyWatch watch() {
    const auto state = [this] {
      GpuState next;
      next.percent_used = percents.at(asked++);
      return next;
    };
    return {state, [this](double seconds) { now += seconds; }, [this] { return now; }};
  }
};

TEST(BusyWatch, WaitsForTheEndOfItsOwnCallsAndAsksRarely) {
  WatchedGpu gpu{{90, 20, 0, 0}};
  BusyWatch watch = gpu.watch();
  EXPECT_EQ(watch.problem(), "");
  EXPECT_EQ(gpu.asked, 3u);
  EXPECT_EQ(gpu.now, 3);
  gpu.now += 29;
  EXPECT_EQ(watch.problem(), "");
  EXPECT_EQ(gpu.asked, 3u);
  gpu.now += 1;
  EXPECT_EQ(watch.problem(), "");
  EXPECT_EQ(gpu.asked, 4u);
}

TEST(BusyWatch, RefusesAGpuThatStaysBusy) {
  WatchedGpu gpu{{90, 80, 70, 60, 50, 40, 40, 40, 40, 40}};
  BusyWatch watch = gpu.watch();
  EXPECT_EQ(watch.problem(), "another process uses the GPU (50 % busy)");
  EXPECT_EQ(watch.problem(), "another process uses the GPU (40 % busy)") << "it was not idle";
  EXPECT_EQ(gpu.asked, 10u);
}

reports::BenchRow row_of(double scale, const std::vector<double>& samples) {
  reports::BenchRow row;
  for (const double sample : samples) row.samples.push_back(scale * sample);
  return row;
}

TEST(Noise, IsRefusedInRowsThatTheHostDoesNotBound) {
  const std::vector<double> quiet = {1.00, 1.01, 1.02, 1.01, 1.00};
  const std::vector<double> noisy = {1.0, 1.5, 1.2, 1.9, 1.1};
  const auto slow_noisy = row_of(1e-3, noisy), fast_noisy = row_of(1e-5, noisy);
  EXPECT_EQ(noise({}), "");
  EXPECT_EQ(noise({row_of(1e-3, quiet), row_of(1e-3, quiet), slow_noisy}), "");
  EXPECT_EQ(noise({row_of(1e-3, quiet), fast_noisy, fast_noisy}), "");
  EXPECT_EQ(noise({fast_noisy}), "");
  EXPECT_EQ(noise({row_of(1e-3, quiet), slow_noisy, slow_noisy}),
            "times of 100 us and more spread over 33 % of their median (5 % accepted)");
}

TEST(Estimate, ScalesTheSameRowOfAnotherSize) {
  const auto groups = sweep_groups(sweep_sizes({"1k", "2k"}, c10::kCUDA), {1},
                                   "^luna/(bfloat16/)?B.*d:64/forward/", c10::kCUDA);
  ASSERT_EQ(groups.size(), 2u);
  const std::vector<SweepRow>&before = groups[0].rows, &after = groups[1].rows;
  ASSERT_EQ(before.size(), 2u);  // float32, bfloat16
  EXPECT_EQ(sizeless(before[1]), "luna, bfloat16, d 64, forward");
  Estimate estimate;
  estimate.add(before[0], 100, 0.5);
  EXPECT_EQ(estimate.seconds(after[0], 400), 2);
  EXPECT_EQ(estimate.seconds(after[1], 400), 0);
}

struct Outcome {
  reports::BenchFile file;
  std::vector<std::string> said;
  nlohmann::json content;
};

/// The CPU as a GPU of that use and memory.
Accelerator made_gpu(double percent_used = 0, double memory_bytes = 1e12) {
  const auto seconds = [](const Accelerator::Task& run) {
    const double begin = seconds_now();
    run();
    return seconds_now() - begin;
  };
  return {c10::kCPU,
          [percent_used] { return GpuState{"Made GPU", "1", 1980, 2619, 120, percent_used}; },
          seconds,
          peak_bytes,
          memory_bytes,
          32};
}

Outcome run_on(const Accelerator& gpu, CudaBenchOptions options) {
  const TemporaryFolder folder;
  options.file = folder.path() / "rows.json";
  Outcome run;
  run_cuda_bench(options, gpu, [&](const std::string& line) { run.said.push_back(line); });
  run.file = reports::read_bench_file(options.file);
  run.content = nlohmann::json::parse(std::ifstream(options.file));
  return run;
}

const Size kTinyGpu{"A", 2, 2, 24, 8, 3, 2, 5};

CudaBenchOptions tiny(const std::string& filter, const std::vector<Size>& sizes = {kTinyGpu}) {
  CudaBenchOptions options;
  options.groups = sweep_groups(sizes, {1}, filter, c10::kCUDA);
  options.call_seconds = 10;
  options.force = true;  // noise is no matter here
  return options;
}

std::set<std::string> keys_of(const reports::BenchFile& file) {
  std::set<std::string> keys;
  for (const reports::BenchRow& row : file.rows) keys.insert(row.key());
  return keys;
}

TEST(CudaBench, TimesBothDtypesAndSaysWhatIsLeftOut) {
  const Outcome run = run_on(made_gpu(), tiny("^(elu|sdpa_math|sdpa_cudnn)/.*d:8/forward/"));
  EXPECT_EQ(keys_of(run.file),
            (std::set<std::string>{"elu/B:2/H:2/N:24/d:8/forward/threads:1",
                                   "elu/bfloat16/B:2/H:2/N:24/d:8/forward/threads:1",
                                   "sdpa_math/B:2/H:2/N:24/d:8/forward/threads:1",
                                   "sdpa_math/bfloat16/B:2/H:2/N:24/d:8/forward/threads:1"}));
  for (const reports::BenchRow& row : run.file.rows) {
    EXPECT_GE(row.samples.size(), 5u) << row.key();
    EXPECT_GT(row.roofline_s, 0) << row.key();
    EXPECT_GT(row.peak_bytes, 0) << row.key();
  }
  ASSERT_EQ(run.file.left_out.size(), 2u);  // either dtype: the CPU has no cuDNN
  EXPECT_EQ(run.file.left_out[0].rfind("sdpa_cudnn, float32, d 8, forward: ", 0), 0u)
      << run.file.left_out[0];
  EXPECT_EQ(run.content["gate"].size(), 3u) << "this library's in bfloat16 too";
}

TEST(CudaBench, CountsBytesOfTheDtype) {
  const Outcome run = run_on(made_gpu(), tiny("^elu/.*d:8/forward/"));
  ASSERT_EQ(run.file.rows.size(), 2u);
  EXPECT_EQ(run.file.rows[0].bytes, 2 * run.file.rows[1].bytes.value());
  EXPECT_EQ(run.file.rows[0].flops, run.file.rows[1].flops);
}

TEST(CudaBench, ModelIsWhatRowsAreTimedAgainst) {
  const CudaBenchOptions options = tiny("^(luna|plain_elu|sdpa_math)/.*d:8/");
  const nlohmann::json model = gpu_model(options.groups, made_gpu());
  EXPECT_EQ(model["ceilings"].size(), 2u);
  const Outcome run = run_on(made_gpu(), options);
  ASSERT_EQ(run.file.rows.size(), 3u * 2 * 2 * 2);  // dtypes, passes, causal or not
  ASSERT_EQ(model["rows"].size(), run.file.rows.size());
  for (const reports::BenchRow& row : run.file.rows) {
    EXPECT_EQ(model["rows"][row.key()]["flops"], row.flops.value()) << row.key();
    EXPECT_EQ(model["rows"][row.key()]["bytes"], row.bytes.value()) << row.key();
    EXPECT_GT(model["rows"][row.key()]["roofline_s"], 0) << row.key();
  }
}

TEST(CudaBench, DecodesInBothDtypes) {
  const Outcome run = run_on(made_gpu(), tiny("", {{"decode", 3, 2, 1, 8, 3, 2, 5}}));
  EXPECT_EQ(run.file.rows.size(), 2 * decode_operators().size());
  EXPECT_TRUE(run.file.left_out.empty()) << run.file.left_out[0];
}

TEST(CudaBench, LeavesOutWhatWouldTakeTooLong) {
  Size longer = kTinyGpu;
  longer.N = 48;
  CudaBenchOptions options = tiny("^elu/B.*d:8/forward/", {kTinyGpu, longer});
  options.call_seconds = 1e-9;
  const Outcome run = run_on(made_gpu(), options);
  EXPECT_EQ(run.file.rows.size(), 1u);  // the first size is the measure
  ASSERT_EQ(run.file.left_out.size(), 1u);
  EXPECT_THAT(run.file.left_out[0],
              AllOf(HasSubstr("elu/B:2/H:2/N:48/d:8/forward/threads:1: one call would take"),
                    HasSubstr(" s (limit 1e-09)")));
}

TEST(CudaBench, LeavesOutWhatThereIsNoTimeFor) {
  CudaBenchOptions options = tiny("^(elu|relu)/B.*d:8/");
  options.seconds = 1e-9;
  const Outcome run = run_on(made_gpu(), options);
  ASSERT_EQ(run.file.rows.size(), 1u);
  EXPECT_EQ(run.file.rows[0].key(), "elu/B:2/H:2/N:24/d:8/forward/threads:1");
  EXPECT_EQ(run.file.rows[0].samples.size(), 5u);
  EXPECT_EQ(run.file.left_out,
            (std::vector<std::string>{"3 rows of A, d 8: the 1e-09 s were over",
                                      "4 rows of A, d 8, causal: the 1e-09 s were over"}));
  EXPECT_EQ(run.content["gate"].size(), 1u) << "of what is timed";
}

TEST(CudaBench, LeavesOutWhatHoldsAQuarterOfTheMemory) {
  const Outcome run = run_on(made_gpu(0, 4 * 2048), tiny("^(elu|plain_elu)/B.*d:8/forward/"));
  ASSERT_EQ(run.file.left_out.size(), 2u);  // the output alone has 3 KiB
  EXPECT_EQ(run.file.left_out[0],
            "elu/B:2/H:2/N:24/d:8/forward/threads:1: one call would take 0.0 GiB (limit 0.0)");
}

TEST(CudaBench, PageIsTheGpus) {
  const Outcome run =
      run_on(made_gpu(), tiny("^(luna|listing1|sdpa_math)/.*d:8/forward_backward/"));
  const std::string page = reports::bench_table(run.file);
  EXPECT_THAT(page, AllOf(HasSubstr("## Operators on Made GPU\n\nbefore: 1,980 MHz"),
                          HasSubstr("At the most, float32: "), HasSubstr("At the most, bfloat16: "),
                          HasSubstr("### B N 48, H 2, d 8, bfloat16, not causal, forward + ")));
  const size_t at = page.find("| 24 | LUNA, fused");
  EXPECT_EQ(page.substr(at, page.find('\n', at) - at).find("–"), std::string::npos) << page;
}

/// One wrong operator, and calls of one length, so that nothing is noise.
class WrongOperator : public ::testing::Test {
 protected:
  WrongOperator() {
    options_.file = folder_.path() / "rows.json";
    options_.force = false;
    gpu_.seconds = [](const Accelerator::Task& run) {
      run();
      return 0.1;
    };
    for (SweepRow& row : options_.groups.at(0).rows) {
      if (row.op->name != "elu") continue;
      wrong_ = *row.op;
      wrong_.apply = [right = row.op->apply](const Inputs& in) { return 2 * right(in); };
      row.op = &wrong_;
    }
  }

  std::string run() {
    return error_of([&] {
      run_cuda_bench(options_, gpu_, [&](const std::string& line) { said_.push_back(line); });
    });
  }

  const TemporaryFolder folder_;
  Accelerator gpu_ = made_gpu();
  CudaBenchOptions options_ = tiny("^(elu|relu)/.*d:8/forward/");
  Operator wrong_;
  std::vector<std::string> said_;
};

TEST_F(WrongOperator, IsTheErrorAndLeavesTheOthersRows) {
  const std::string error = run(), file = options_.file.string();
  EXPECT_THAT(error, AllOf(StartsWith("bench: elu is wrong at d 8 (error 1, accepted "),
                           EndsWith("); it is left out. Run `make test` to see where. The other "
                                    "operators' rows are in " +
                                    file + ".")));
  const reports::BenchFile written = reports::read_bench_file(file);
  EXPECT_EQ(keys_of(written),
            (std::set<std::string>{"relu/B:2/H:2/N:24/d:8/forward/threads:1",
                                   "relu/bfloat16/B:2/H:2/N:24/d:8/forward/threads:1"}));
  EXPECT_THAT(written.left_out, ElementsAre(StartsWith("elu/d:8: wrong (error 1, accepted "),
                                            StartsWith("elu/bfloat16/d:8: wrong (error 1, ")));
  EXPECT_THAT(said_, Contains(HasSubstr("bench: elu is wrong at d 8")).Times(2));
  EXPECT_THAT(said_, Contains("gate: 2 operators and modes passed against float64, 2 did not"));
}

/// What the gate could not look at is not timed.
TEST_F(WrongOperator, IsLeftOutWhereItCannotBeChecked) {
  wrong_.apply = [](const Inputs&) -> at::Tensor { TORCH_CHECK(false, "made to fail"); };
  EXPECT_THAT(run(), StartsWith("bench: elu/d:8 could not be checked: made to fail. The other "));
  const reports::BenchFile written = reports::read_bench_file(options_.file);
  EXPECT_EQ(written.rows.size(), 2u);
  EXPECT_THAT(written.left_out, Contains("elu/d:8: not checked: made to fail"));
}

/// (A mode that an operator is not for.)
TEST_F(WrongOperator, IsNoErrorWhereItDeclines) {
  wrong_.apply = [](const Inputs&) -> at::Tensor {
    TORCH_CHECK_NOT_IMPLEMENTED(false, "not offered");
  };
  EXPECT_EQ(run(), "no error");
  EXPECT_EQ(reports::read_bench_file(options_.file).rows.size(), 2u);
}

TEST_F(WrongOperator, IsNoErrorWithForce) {
  options_.force = true;
  EXPECT_EQ(run(), "no error");
  EXPECT_EQ(reports::read_bench_file(options_.file).rows.size(), 2u);
}

TEST(CudaBench, RefusesABusyGpu) {
  CudaBenchOptions options = tiny("^elu/B.*/forward/");
  options.force = false;
  EXPECT_EQ(error_of([&] { run_on(made_gpu(40), options); }),
            "bench: another process uses the GPU (40 % busy); --force goes on nevertheless");
}

}  // namespace
}  // namespace luna::bench
