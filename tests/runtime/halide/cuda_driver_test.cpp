// The bridge from a CUDA pipeline to the driver, on a stand-in driver: context, stream, launch,
// module options, shared memory, and errors of both kinds. A pipeline here is what generated code
// amounts to: one kernel loaded and launched through Halide's runtime.
#include <HalideRuntimeCuda.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/halide/error.h"
#include "runtime/kernels/cuda/kernel_call.h"
#include "tests/support/stand_in_cuda.h"
#include "tests/support/stand_in_device.h"
#include "tests/support/torch_error.h"

extern "C" int halide_do_par_for(void*, halide_task_t, int, int, uint8_t*);
extern "C" void halide_error(void*, const char*);

namespace luna::test {
namespace {

using ::testing::EndsWith;

constexpr const char* kPtx = ".version 7.0";
int shared_bytes = 0;

/// Arguments: the user context, one buffer. Launches grid (3, 2, 1), blocks of (32, 4, 1).
int one_kernel(void** arguments) {
  void* place = *static_cast<void**>(arguments[0]);
  static void* state = nullptr;
  if (const int code = halide_cuda_initialize_kernels(place, &state, kPtx, std::strlen(kPtx))) {
    return code;
  }
  void* parameters[] = {arguments[1], nullptr};
  size_t sizes[] = {8, 0};
  int8_t buffers[] = {1, 0};
  const int code = halide_cuda_run(place, state, "kernel", 3, 2, 1, 32, 4, 1, shared_bytes, sizes,
                                   parameters, buffers);
  halide_cuda_finalize_kernels(place, state);
  return code;
}

kernels::Pipeline find(const std::string& name, const kernels::cuda::About&) {
  return name == "one_kernel_test" ? &one_kernel : nullptr;
}

const kernels::cuda::Backend kBackend{"_test", &find, /*piece_bytes=*/0};

void run(int device = 0, int shared = 0) {
  shared_bytes = shared;
  const at::Tensor x = to_stand_in(at::ones({2, 3}), device);
  kernels::cuda::KernelCall call(kBackend, "one_kernel", x);
  call.add(x);
  call.run();
}

class CudaDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    set_stand_in_stream(0x77);
    take_driver_calls();
  }
};

/// The driver calls of run(device) without those that make the context current and back.
std::vector<std::string> calls_of_run(int device, const std::string& context) {
  take_driver_calls();
  run(device);
  std::vector<std::string> kept;
  for (const std::string& call : take_driver_calls()) {
    if (call.rfind("cuCtxPushCurrent", 0) == 0) {
      EXPECT_EQ(call, "cuCtxPushCurrent " + context);
    } else if (call != "cuCtxPopCurrent") {
      kept.push_back(call);
    }
  }
  return kept;
}

TEST_F(CudaDriver, LaunchesInTheDevicesPrimaryContextOnTorchsStream) {
  const std::vector<std::string> first{
      "cuInit", "cuDevicePrimaryCtxRetain device 1", "cuModuleLoadDataEx ptx options 0",
      "cuModuleGetFunction", "cuLaunchKernel grid 3 2 1 block 32 4 1 shared 0 stream 0x77"};
  EXPECT_EQ(calls_of_run(1, "0x1001"), first);
  set_stand_in_stream(0x88);
  const std::vector<std::string> second{
      "cuModuleGetFunction", "cuLaunchKernel grid 3 2 1 block 32 4 1 shared 0 stream 0x88"};
  EXPECT_EQ(calls_of_run(1, "0x1001"), second) << "the context and the module are kept";
  EXPECT_EQ(calls_of_run(3, "0x1003").at(1), "cuDevicePrimaryCtxRetain device 3");
}

TEST_F(CudaDriver, AsksForSharedMemoryBeyond48Kilobytes) {
  const auto asked = [](int shared) {
    run(0, shared);
    const std::vector<std::string> calls = take_driver_calls();
    return std::find(calls.begin(), calls.end(),
                     "cuFuncSetAttribute attribute 8 value " + std::to_string(shared)) !=
           calls.end();
  };
  EXPECT_FALSE(asked(49152));
  EXPECT_TRUE(asked(49153));
  EXPECT_FALSE(asked(49153)) << "it may have as much";
  EXPECT_TRUE(asked(50000));
  EXPECT_FALSE(asked(49153));
}

/// A kernel that is not Halide's.
TEST_F(CudaDriver, LoadsAModuleAndFindsAKernelOnceADevice) {
  const auto calls_of = [](int device, const char* kernel) {
    take_driver_calls();
    int argument = 0;
    EXPECT_EQ(halide::launch({device, nullptr}, {kPtx, kernel, 1, 1, 1, 32, 0, &argument}), 0);
    std::vector<std::string> names;
    for (const std::string& call : take_driver_calls()) {
      const std::string name = call.substr(0, call.find(' '));
      if (name.rfind("cuModule", 0) == 0 || name == "cuLaunchKernel") names.push_back(name);
    }
    return names;
  };
  using Calls = std::vector<std::string>;
  const Calls first{"cuModuleLoadDataEx", "cuModuleGetFunction", "cuLaunchKernel"};
  EXPECT_EQ(calls_of(1, "one"), first);
  EXPECT_EQ(calls_of(1, "one"), Calls{"cuLaunchKernel"});
  EXPECT_EQ(calls_of(1, "two"), (Calls{"cuModuleGetFunction", "cuLaunchKernel"}));
  EXPECT_EQ(calls_of(2, "one"), first);
  EXPECT_EQ(calls_of(1, "one"), Calls{"cuLaunchKernel"});
}

TEST_F(CudaDriver, FindsAKernelAfterItCouldNot) {
  int argument = 0;
  const auto launch = [&] {
    return halide::launch({1, nullptr}, {kPtx, "three", 1, 1, 1, 32, 0, &argument});
  };
  for (const char* call : {"cuModuleLoadDataEx", "cuModuleGetFunction"}) {
    fail_driver_call(call, 1);
  }
  EXPECT_NE(launch(), 0);
  fail_driver_call("cuModuleLoadDataEx", 0);
  EXPECT_NE(launch(), 0);
  EXPECT_NE(halide::take_error(), "");
  fail_driver_call("cuModuleGetFunction", 0);
  EXPECT_EQ(launch(), 0);
}

TEST_F(CudaDriver, AsksADevicesNameOnce) {
  for (int attempt = 0; attempt < 2; attempt++) {
    EXPECT_EQ(halide::device_name(0), "stand-in 0");
    EXPECT_EQ(halide::device_name(1), "stand-in 1");
  }
  EXPECT_EQ(take_driver_calls(), (std::vector<std::string>{"cuDeviceGetName", "cuDeviceGetName"}));
}

TEST_F(CudaDriver, SaysWhyItFindsNoDevice) {
  EXPECT_EQ(halide::driver_problem(), "");
  fail_driver_call("cuInit", 100);
  EXPECT_EQ(halide::driver_problem(), "the CUDA driver finds no device (cuInit: error 100)");
  fail_driver_call("cuInit", 0);
}

TEST_F(CudaDriver, NamesTheDriversError) {
  run();
  fail_driver_call("cuLaunchKernel", 1);
  EXPECT_EQ(torch_error_of([] { run(); }),
            "Halide pipeline one_kernel_test on [2, 3] failed with code -29: CUDA error: "
            "CUDA_ERROR_INVALID_VALUE cuLaunchKernel failed");
  fail_driver_call("cuLaunchKernel", 0);
  fail_driver_call("cuFuncSetAttribute", 1);
  EXPECT_EQ(torch_error_of([] { run(0, 200000); }),
            "Halide pipeline one_kernel_test on [2, 3] failed with code -29: "
            "cuFuncSetAttribute(200000 bytes of shared memory) failed: CUDA_ERROR_INVALID_VALUE");
  fail_driver_call("cuFuncSetAttribute", 0);
  EXPECT_EQ(torch_error_of([] { run(); }), "no error") << "an error leaves nothing behind";
}

TEST_F(CudaDriver, NamesTheContextsError) {
  fail_driver_call("cuDevicePrimaryCtxRetain", 2);
  EXPECT_EQ(torch_error_of([] { run(7); }),
            "Halide pipeline one_kernel_test on [2, 3] failed with code -29: "
            "cuDevicePrimaryCtxRetain(device 7) failed: CUDA_ERROR_OUT_OF_MEMORY");
  fail_driver_call("cuDevicePrimaryCtxRetain", 0);
  EXPECT_EQ(torch_error_of([] { run(7); }), "no error");
  fail_driver_call("cuInit", 999);
  EXPECT_EQ(torch_error_of([] { run(8); }),
            "Halide pipeline one_kernel_test on [2, 3] failed with code -29: cuInit failed: CUDA "
            "error 999");
  fail_driver_call("cuInit", 0);
}

TEST_F(CudaDriver, SaysThatItIsTooOldForThePtx) {
  fail_driver_call("cuModuleLoadDataEx", 222);
  EXPECT_THAT(torch_error_of([] { run(9); }),
              EndsWith(": the CUDA driver is too old for PTX 7.0: update the NVIDIA driver"));
  fail_driver_call("cuModuleLoadDataEx", 0);
  EXPECT_EQ(torch_error_of([] { run(9); }), "no error");
}

TEST_F(CudaDriver, RefusesDevicesBelowThePtxsTarget) {
  set_compute_capability(7, 5);
  for (int attempt = 0; attempt < 2; attempt++) {
    EXPECT_THAT(torch_error_of([] { run(10); }),
                EndsWith(": CUDA device 10 has compute capability 7.5, the kernels need 8.0 or "
                         "later: move the tensors to the CPU"));
  }
  set_compute_capability(9, 0);
  EXPECT_EQ(torch_error_of([] { run(10); }), "no error");
}

TEST_F(CudaDriver, SaysOnceWhichPtxAnUnknownDeviceGets) {
  set_compute_capability(12, 0);
  ::testing::internal::CaptureStderr();
  for (int call = 0; call < 2; call++) run(11);
  set_compute_capability(9, 0);
  run(12);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "luna: CUDA device 11 has compute capability 12.0, which is not among those checked "
            "(8.0, 9.0): PTX of 8.0 is taken\n");
}

TEST_F(CudaDriver, RefusesTensorsOfTwoDevices) {
  EXPECT_EQ(torch_error_of([] {
              kernels::cuda::KernelCall call(kBackend, "one_kernel", to_stand_in(at::ones({1}), 0));
              call.add(to_stand_in(at::ones({1}), 1));
            }),
            "luna: one_kernel_test: a tensor on cuda:1 among tensors on cuda:0");
}

TEST_F(CudaDriver, ExitsSilently) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        run();
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "^$");
}

TEST(StandInDevice, RunsOperatorsInHostMemory) {
  const at::Tensor x = to_stand_in(at::arange(6.0f).view({2, 3}));
  at::Tensor y = at::zeros({3, 2}, x.options());
  y.copy_(x.t()).mul_(2);
  y.narrow(0, 0, 1).fill_(7);
  const int64_t before = stand_in_waits();
  EXPECT_TRUE(y.is_cuda());
  EXPECT_TRUE(
      at::cat({y, y.sum(0, true)})
          .cpu()
          .equal(at::tensor({7.0f, 7.0f, 2.0f, 8.0f, 4.0f, 10.0f, 13.0f, 25.0f}).view({4, 2})));
  EXPECT_EQ(stand_in_waits(), before + 1);
}

TEST(StandInDevice, CountsWhatTheHostWaitsFor) {
  const at::Tensor x = to_stand_in(at::tensor({0.0f, 2.0f}));
  const auto waits = [](const std::function<void()>& action) {
    const int64_t before = stand_in_waits();
    action();
    return stand_in_waits() - before;
  };
  EXPECT_EQ(waits([&] { EXPECT_EQ(x.sum().item<float>(), 2.0f); }), 1);
  EXPECT_EQ(waits([&] { EXPECT_TRUE(x.equal(x)); }), 1);
  EXPECT_EQ(waits([&] { EXPECT_EQ(x.nonzero().numel(), 1); }), 1);
  EXPECT_EQ(waits([&] { EXPECT_EQ(x.masked_select(x > 1).numel(), 1); }), 1);
  EXPECT_EQ(waits([&] { x.add(1).mul_(x).sum(); }), 0);
}

/// Its own process without a driver: see CMakeLists.txt.
TEST(NoCudaDriver, IsAnErrorWithTheCure) {
  for (int attempt = 0; attempt < 2; attempt++) {
    EXPECT_EQ(torch_error_of([] { run(); }),
              "Halide pipeline one_kernel_test on [2, 3] failed with code -21: CUDA driver not "
              "found (no_such_driver.so): install the NVIDIA driver, or move the tensors to the "
              "CPU");
  }
  EXPECT_EQ(halide::driver_problem(), "no CUDA driver here (no_such_driver.so cannot be opened)");
}

TEST(ParallelLoop, RunsEveryIterationAndHandsItsErrorOver) {
  std::vector<uint8_t> done(1000);
  const auto mark = [](void*, int i, uint8_t* closure) { return closure[i - 5] = 1, 0; };
  EXPECT_EQ(halide_do_par_for(nullptr, mark, 5, 1000, done.data()), 0);
  EXPECT_EQ(std::count(done.begin(), done.end(), 1), 1000);
  const auto fail = [](void*, int i, uint8_t*) {
    if (i == 700) halide_error(nullptr, "iteration 700");
    return i == 700 ? -3 : 0;
  };
  EXPECT_EQ(halide_do_par_for(nullptr, fail, 0, 1000, nullptr), -3);
  EXPECT_EQ(halide::take_error(), "iteration 700");
}

}  // namespace
}  // namespace luna::test
