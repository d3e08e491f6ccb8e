#include "experiments/bench/cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>

namespace luna::bench {
namespace {

constexpr const char* kDriver = "libcuda.so.1";
constexpr const char* kTorch = "libtorch_cuda.so";

/// What the driver says to cuInit; "" where it is content.
std::string driver_problem() {
  void* const driver = dlopen(kDriver, RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    return fmt::format("no CUDA driver here ({} cannot be opened)", kDriver);
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const int code = init ? init(0) : -1;
  return code == 0 ? "" : fmt::format("the CUDA driver finds no device (cuInit: error {})", code);
}

}  // namespace

std::string open_cuda() {
  if (c10::impl::hasDeviceGuardImpl(c10::kCUDA)) return "";
  const std::string problem = driver_problem();
  if (!problem.empty()) return problem;
  if (dlopen(kTorch, RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return fmt::format("torch has no CUDA half here: {}", dlerror());
  }
  return at::hasCUDA() ? "" : "torch sees no CUDA device";
}

}  // namespace luna::bench
