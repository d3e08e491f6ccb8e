#include "tests/support/stand_in_cuda.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

namespace {

struct Driver {
  std::mutex mutex;
  std::vector<std::string> calls;
  std::map<std::string, int> failing;
  std::pair<int, int> capability{9, 0};
  bool capturing = false;
  std::map<std::string, size_t> functions;  ///< their handles, by name
};

/// Never destroyed: code under test calls the driver at exit.
Driver& driver() {
  static auto* const instance = new Driver;
  return *instance;
}

/// Records the call; returns what the function is to return.
int call(const std::string& function, const std::string& details = "") {
  Driver& d = driver();
  const std::lock_guard lock(d.mutex);
  d.calls.push_back(details.empty() ? function : function + " " + details);
  const auto found = d.failing.find(function);
  return found == d.failing.end() ? 0 : found->second;
}

template <typename Handle>
Handle* handle(size_t value) {
  return reinterpret_cast<Handle*>(value);
}

}  // namespace

namespace luna::test {

std::vector<std::string> take_driver_calls() {
  const std::lock_guard lock(driver().mutex);
  return std::exchange(driver().calls, {});
}

void set_capturing(bool capturing) {
  const std::lock_guard lock(driver().mutex);
  driver().capturing = capturing;
}

void fail_driver_call(const std::string& function, int code) {
  const std::lock_guard lock(driver().mutex);
  driver().failing[function] = code;
}

void set_compute_capability(int major, int minor) {
  const std::lock_guard lock(driver().mutex);
  driver().capability = {major, minor};
}

}  // namespace luna::test

extern "C" {

int cuInit(unsigned) { return call("cuInit"); }

int cuGetErrorName(int code, const char** name) {
  static const std::map<int, const char*> names{{1, "CUDA_ERROR_INVALID_VALUE"},
                                                {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                {100, "CUDA_ERROR_NO_DEVICE"}};
  const auto found = names.find(code);
  *name = found == names.end() ? nullptr : found->second;
  return *name ? 0 : 1;
}

int cuDeviceGet(int* handle, int device) { return *handle = device, 0; }

int cuDeviceGetAttribute(int* value, int attribute, int) {
  const std::lock_guard lock(driver().mutex);
  const auto [major, minor] = driver().capability;
  *value = attribute == 75 ? major : attribute == 76 ? minor : 0;
  return 0;
}

int cuStreamIsCapturing(void*, int* status) {
  const std::lock_guard lock(driver().mutex);
  *status = driver().capturing ? 1 : 0;
  return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  *context = handle<void>(luna::test::kFirstContext + device);
  return call("cuDevicePrimaryCtxRetain", fmt::format("device {}", device));
}

int cuCtxPushCurrent_v2(void* context) {
  return call("cuCtxPushCurrent", fmt::format("{}", context));
}

int cuCtxPopCurrent_v2(void** context) {
  *context = nullptr;
  return call("cuCtxPopCurrent");
}

int cuModuleLoadDataEx(void** module, const void* image, unsigned options, int*, void**) {
  *module = handle<void>(1);
  const bool ptx = std::strstr(static_cast<const char*>(image), ".version");
  return call("cuModuleLoadDataEx", fmt::format("{} options {}", ptx ? "ptx" : "binary", options));
}

int cuModuleGetFunction(void** function, void*, const char* name) {
  {
    const std::lock_guard lock(driver().mutex);
    auto& known = driver().functions;
    *function = handle<void>(known.try_emplace(name, known.size() + 2).first->second);
  }
  return call("cuModuleGetFunction");
}

int cuDeviceGetName(char* name, int size, int device) {
  std::snprintf(name, static_cast<size_t>(size), "stand-in %d", device);
  return call("cuDeviceGetName");
}

int cuFuncSetAttribute(void*, int attribute, int value) {
  return call("cuFuncSetAttribute", fmt::format("attribute {} value {}", attribute, value));
}

int cuLaunchKernel(void*, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared, void* stream, void**,
                   void**) {
  return call("cuLaunchKernel",
              fmt::format("grid {} {} {} block {} {} {} shared {} stream {}", grid_x, grid_y,
                          grid_z, block_x, block_y, block_z, shared, stream));
}

#define LUNA_UNUSED(name) \
  int name() { return call(#name); }
#include "tests/support/unused_driver_calls.inc"
#undef LUNA_UNUSED

}  // extern "C"
