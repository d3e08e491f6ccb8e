#include "experiments/bench/cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "runtime/halide/cuda_driver.h"

namespace luna::bench {
namespace {

constexpr const char* kTorch = "libtorch_cuda.so";

}  // namespace

std::string open_cuda() {
  if (c10::impl::hasDeviceGuardImpl(c10::kCUDA)) return "";
  const std::string problem = halide::driver_problem();
  if (!problem.empty()) return problem;
  if (dlopen(kTorch, RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return fmt::format("torch has no CUDA half here: {}", dlerror());
  }
  return at::hasCUDA() ? "" : "torch sees no CUDA device";
}

}  // namespace luna::bench
