#include "runtime/halide/cuda_driver.h"

#include <HalideRuntime.h>
#include <HalideRuntimeCuda.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "runtime/halide/error.h"

namespace luna::halide {
namespace {

/// Dynamic shared memory that a kernel gets without asking, and the attribute to ask with.
constexpr unsigned kSharedMemoryDefault = 48 * 1024;
constexpr int kMaxDynamicSharedMemory = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

constexpr int kCaptureModeRelaxed = 2;                       // CU_STREAM_CAPTURE_MODE_RELAXED
constexpr int kUnsupportedPtxVersion = 222;                  // CUDA_ERROR_UNSUPPORTED_PTX_VERSION
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;  // CUdevice_attribute
/// Of the PTX that is built, and those for which ptxas assembles it in tests/generators.
constexpr int kLeastCapability = 80, kCheckedCapabilities[] = {80, 90};

const char* driver_name() {
  const char* name = std::getenv("LUNA_CUDA_DRIVER");
  return name && *name ? name : "libcuda.so.1";
}

/// The driver library, or nullptr; opened once.
void* driver() {
  static void* const library = dlopen(driver_name(), RTLD_NOW | RTLD_LOCAL);
  return library;
}

/// The driver's function of that name, or nullptr.
template <typename Function>
Function* symbol(const char* name) {
  return driver() ? reinterpret_cast<Function*>(dlsym(driver(), name)) : nullptr;
}

/// Keeps "<call> failed: <name of the code>" as the thread's error; returns a Halide code.
int keep_driver_error(const std::string& call, int code) {
  static auto* const error_name = symbol<int(int, const char**)>("cuGetErrorName");
  const char* name = nullptr;
  const bool known = error_name && error_name(code, &name) == 0 && name;
  keep_error(fmt::format("{} failed: {}", call, known ? name : fmt::format("CUDA error {}", code)));
  return halide_error_code_gpu_device_error;
}

/// Lets the function have so much dynamic shared memory: asked for where it never had as much.
int allow_shared_memory(void* function, unsigned bytes) {
  static auto* const set_attribute = symbol<int(void*, int, int)>("cuFuncSetAttribute");
  static std::mutex mutex;
  static std::unordered_map<void*, unsigned> allowed;
  const std::lock_guard lock(mutex);
  unsigned& most = allowed[function];
  if (bytes <= most) return 0;
  const int code = set_attribute(function, kMaxDynamicSharedMemory, static_cast<int>(bytes));
  if (code) {
    keep_driver_error(fmt::format("cuFuncSetAttribute({} bytes of shared memory)", bytes), code);
  } else {
    most = bytes;
  }
  return code;
}

int launch_kernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                  unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                  void* stream, void** parameters, void** extra) {
  static auto* const launch = symbol<decltype(launch_kernel)>("cuLaunchKernel");
  if (shared > kSharedMemoryDefault) {
    if (const int code = allow_shared_memory(function, shared)) return code;
  }
  return launch(function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream,
                parameters, extra);
}

/// What the driver's function says of a device; "" where it does not.
std::string text_of_device(const char* function, int device) {
  auto* const get = symbol<int(char*, int, int)>(function);
  char text[256] = {};
  return get && get(text, sizeof text - 1, device) == 0 ? text : "";
}

/// " 9.0" of a text with ".version 9.0".
std::string ptx_version(const char* text) {
  const char* const found = std::strstr(text, ".version");
  return found ? std::string(found + 8, std::strcspn(found + 8, "\r\n")) : "";
}

/// The runtime's only option is a cap of 64 registers a thread, with which the kernels spill.
int load_module(void** module, const void* image, unsigned, int*, void**) {
  static auto* const load = symbol<decltype(load_module)>("cuModuleLoadDataEx");
  static auto* const exchange_mode = symbol<int(int*)>("cuThreadExchangeStreamCaptureMode");
  int mode = kCaptureModeRelaxed;  // a module may be loaded while this thread captures a graph
  if (exchange_mode) exchange_mode(&mode);
  const int code = load(module, image, 0, nullptr, nullptr);
  if (exchange_mode) exchange_mode(&mode);
  if (code == kUnsupportedPtxVersion) {
    keep_error(fmt::format("the CUDA driver is too old for PTX{}: update the NVIDIA driver",
                           ptx_version(static_cast<const char*>(image))));
  }
  return code;
}

/// "9.0" of 90.
std::string version(int capability) {
  return fmt::format("{}.{}", capability / 10, capability % 10);
}

/// "8.0, 9.0".
std::string checked_versions() {
  std::string listed;
  for (const int capability : kCheckedCapabilities) {
    listed += (listed.empty() ? "" : ", ") + version(capability);
  }
  return listed;
}

/// Refuses a device below the PTX's target; says of one that nothing was assembled for which PTX it
/// gets. After cuInit, before the device's context is retained.
int check_capability(int device) {
  const int capability = compute_capability(device);
  if (capability == 0) return 0;  // the launch will say what is wrong
  const std::string of_device =
      fmt::format("CUDA device {} has compute capability {}", device, version(capability));
  if (capability < kLeastCapability) {
    keep_error(fmt::format("{}, the kernels need {} or later: move the tensors to the CPU",
                           of_device, version(kLeastCapability)));
    return halide_error_code_gpu_device_error;
  }
  if (std::find(std::begin(kCheckedCapabilities), std::end(kCheckedCapabilities), capability) ==
      std::end(kCheckedCapabilities)) {
    std::fprintf(stderr, "luna: %s, which is not among those checked (%s): PTX of %s is taken\n",
                 of_device.c_str(), checked_versions().c_str(), version(kLeastCapability).c_str());
  }
  return 0;
}

/// cuInit, then the primary context of the device: the one that torch's CUDA runtime uses.
int retain_primary_context(int device, void** context) {
  static auto* const init = symbol<int(unsigned)>("cuInit");
  static auto* const retain = symbol<int(void**, int)>("cuDevicePrimaryCtxRetain");
  if (!init || !retain) {
    keep_error(fmt::format(
        "CUDA driver not found ({}): install the NVIDIA driver, or move the tensors to the CPU",
        driver_name()));
    return halide_error_code_symbol_not_found;
  }
  if (const int code = init(0)) {
    return keep_driver_error("cuInit", code);
  }
  if (const int code = check_capability(device)) return code;
  if (const int code = retain(context, device)) {
    return keep_driver_error(fmt::format("cuDevicePrimaryCtxRetain(device {})", device), code);
  }
  return 0;
}

/// retain_primary_context, once per device for the life of the process.
int primary_context(int device, void** context) {
  static std::mutex mutex;
  static std::map<int, void*> contexts;
  const std::lock_guard lock(mutex);
  void*& known = contexts[device];
  const int code = known ? 0 : retain_primary_context(device, &known);
  *context = known;
  return code;
}

/// A code of the driver as one of Halide's.
int checked(const char* call, int code) { return code ? keep_driver_error(call, code) : 0; }

/// The module on that device, loaded once; its context is current, find_kernel's lock is held.
int find_module(int device, const char* image, void** module) {
  static std::map<std::pair<int, const char*>, void*> modules;
  void*& known = modules[{device, image}];
  if (!known) {
    void* loaded = nullptr;
    const int code =
        checked("cuModuleLoadDataEx", load_module(&loaded, image, 0, nullptr, nullptr));
    if (code) return code;
    known = loaded;
  }
  *module = known;
  return 0;
}

/// The kernel on that device, found once; its context is current.
int find_kernel(int device, const KernelLaunch& wanted, void** function) {
  static auto* const get_function = symbol<int(void**, void*, const char*)>("cuModuleGetFunction");
  static std::mutex mutex;
  static std::map<std::tuple<int, const char*, const char*>, void*> functions;
  const std::lock_guard lock(mutex);
  void*& known = functions[{device, wanted.module, wanted.kernel}];
  if (!known) {
    void *module = nullptr, *found = nullptr;
    if (const int code = find_module(device, wanted.module, &module)) return code;
    const int code = get_function(&found, module, wanted.kernel);
    if (code) return checked("cuModuleGetFunction", code);
    known = found;
  }
  *function = known;
  return 0;
}

}  // namespace

int launch(const CudaPlace& place, const KernelLaunch& wanted) {
  static auto* const push = symbol<int(void*)>("cuCtxPushCurrent_v2");
  static auto* const pop = symbol<int(void**)>("cuCtxPopCurrent_v2");
  void* context = nullptr;
  if (const int code = primary_context(place.device, &context)) return code;
  if (const int code = checked("cuCtxPushCurrent", push(context))) return code;
  void* function = nullptr;
  int code = find_kernel(place.device, wanted, &function);
  if (!code) {
    void* parameters[] = {wanted.arguments};
    code =
        checked("cuLaunchKernel",
                launch_kernel(function, wanted.grid_x, wanted.grid_y, wanted.grid_z, wanted.threads,
                              1, 1, wanted.shared_bytes, place.stream, parameters, nullptr));
  }
  pop(&context);
  return code;
}

CudaPlace current_place(c10::Device device) {
  TORCH_CHECK(c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA), "luna: tensors on ", device,
              " need torch's CUDA half: link libtorch_cuda, or load it before the first call");
  const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
  return {device.index(), guard.getStreamNativeHandle(guard.getStream(device))};
}

int compute_capability(int device) {
  static auto* const get = symbol<int(int*, int)>("cuDeviceGet");
  static auto* const attribute = symbol<int(int*, int, int)>("cuDeviceGetAttribute");
  int handle = 0, major = 0, minor = 0;
  const bool known = get && attribute && !get(&handle, device) &&
                     !attribute(&major, kCapabilityMajor, handle) &&
                     !attribute(&minor, kCapabilityMinor, handle);
  return known ? 10 * major + minor : 0;
}

bool is_capturing(c10::Device device) {
  static auto* const ask = symbol<int(void*, int*)>("cuStreamIsCapturing");
  int status = 0;
  return ask && ask(current_place(device).stream, &status) == 0 && status != 0;
}

std::string driver_problem() {
  static auto* const init = symbol<int(unsigned)>("cuInit");
  if (!init) return fmt::format("no CUDA driver here ({} cannot be opened)", driver_name());
  const int code = init(0);
  return code == 0 ? "" : fmt::format("the CUDA driver finds no device (cuInit: error {})", code);
}

std::string device_name(int device) {
  static std::mutex mutex;
  static std::map<int, std::string> names;
  const std::lock_guard lock(mutex);
  std::string& name = names[device];
  if (name.empty()) name = text_of_device("cuDeviceGetName", device);
  return name;
}

std::string device_bus(int device) { return text_of_device("cuDeviceGetPCIBusId", device); }

}  // namespace luna::halide

// Strong definitions of what the runtime defines weakly.
extern "C" {

void* halide_cuda_get_symbol(void*, const char* name) {
  using namespace luna::halide;
  if (std::strcmp(name, "cuLaunchKernel") == 0) {
    return reinterpret_cast<void*>(&launch_kernel);
  }
  if (std::strcmp(name, "cuModuleLoadDataEx") == 0) {
    return reinterpret_cast<void*>(&load_module);
  }
  return reinterpret_cast<void*>(symbol<void()>(name));
}

/// Without a place (the runtime's clean-up at exit) there is no context and nothing to do.
int halide_cuda_acquire_context(void* place, void** context, bool) {
  *context = nullptr;
  return place ? luna::halide::primary_context(
                     static_cast<const luna::halide::CudaPlace*>(place)->device, context)
               : 0;
}

int halide_cuda_release_context(void*) { return 0; }

int halide_cuda_get_stream(void* place, void*, void** stream) {
  *stream = place ? static_cast<const luna::halide::CudaPlace*>(place)->stream : nullptr;
  return 0;
}

}  // extern "C"
