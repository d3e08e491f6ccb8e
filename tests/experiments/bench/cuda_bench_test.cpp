// What can be said of timing on a GPU without one: how its state is read, what counts as noise.
#include "experiments/bench/cuda_bench.h"

#include <gmock/gmock.h>

#include "experiments/bench/gpu_state.h"
#include "tests/support/error_of.h"

namespace luna::bench {
namespace {

using luna::testing::error_of;

TEST(GpuState, IsReadFromNvidiaSmi) {
  const GpuState state = parse_gpu_state("NVIDIA H100 80GB HBM3, 570.86.15, 1980, 2619, 121.55, 3");
  EXPECT_EQ(state.name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(state.driver, "570.86.15");
  EXPECT_EQ(state.sm_mhz, 1980);
  EXPECT_EQ(state.memory_mhz, 2619);
  EXPECT_EQ(state.watts, 121.55);
  EXPECT_EQ(busy_gpu(state), "");
}

TEST(GpuState, RefusesABusyGpuAndOtherTexts) {
  GpuState state;
  state.percent_used = 40;
  EXPECT_EQ(busy_gpu(state), "another process uses the GPU (40 % busy)");
  for (const char* line : {"", "sh: 1: nvidia-smi: not found", "A, 1, x, 2, 3, 4", "A, 1, 2"}) {
    EXPECT_EQ(error_of([&] { parse_gpu_state(line); }),
              "bench: nvidia-smi says '" + std::string(line) +
                  "' where name, driver, clocks, power and use were asked for");
  }
}

TEST(CudaBench, RefusesNoise) {
  reports::BenchRow quiet, noisy;
  quiet.samples = {1.00, 1.01, 1.02, 1.01, 1.00};
  noisy.samples = {1.0, 1.5, 1.2, 1.9, 1.1};
  EXPECT_EQ(noise({}), "");
  EXPECT_EQ(noise({quiet, quiet, noisy}), "");
  EXPECT_EQ(noise({quiet, noisy, noisy}), "times spread over 33 % of their median (5 % accepted)");
}

}  // namespace
}  // namespace luna::bench
