// The driver's entry points.
#include <fmt/format.h>

#include <cfenv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "tests/support/ptx/driver_state.h"

namespace luna::test::ptx {
namespace {

constexpr int kInvalidValue = 1;
constexpr int kInvalidPtx = 218;
constexpr int kNotFound = 500;
constexpr int kNotSupported = 801, kInvalidContext = 201;

/// Of compute capability 8.0.
constexpr Shape kLargestGrid{0x7fffffff, 65535, 65535}, kLargestBlock{1024, 1024, 64};
constexpr uint64_t kMostThreads = 1024;
constexpr size_t kMostShared = 163 * 1024;

/// The floating-point environment of PTX: nearest, nothing flushed.
class FloatScope {
 public:
  FloatScope() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~FloatScope() { std::fesetenv(&saved_); }
  FloatScope(const FloatScope&) = delete;

 private:
  std::fenv_t saved_;
};

std::vector<std::byte> pack_parameters(const Kernel& kernel, void** values) {
  std::vector<std::byte> packed(kernel.parameter_bytes());
  for (size_t i = 0; i < kernel.parameters.size(); i++) {
    const Parameter& parameter = kernel.parameters[i];
    std::memcpy(packed.data() + parameter.offset, values[i], parameter.bytes);
  }
  return packed;
}

bool exceeds(const Shape& shape, const Shape& largest) {
  return shape.x > largest.x || shape.y > largest.y || shape.z > largest.z;
}

std::string text(const Shape& s) { return fmt::format("({}, {}, {})", s.x, s.y, s.z); }

/// Why a launch of this shape is refused, or "".
std::string refusal(const Function& function, const Shape& grid, const Shape& block,
                    size_t dynamic_shared) {
  if (grid.count() == 0 || block.count() == 0) return "an empty grid or block";
  if (exceeds(grid, kLargestGrid)) {
    return fmt::format("a grid of {}, {} allowed", text(grid), text(kLargestGrid));
  }
  if (exceeds(block, kLargestBlock)) {
    return fmt::format("a block of {}, {} allowed", text(block), text(kLargestBlock));
  }
  if (block.count() > kMostThreads) return fmt::format("{} threads in a block", block.count());
  if (dynamic_shared > function.most_dynamic_shared) {
    return fmt::format("{} bytes of dynamic shared memory, {} allowed", dynamic_shared,
                       function.most_dynamic_shared);
  }
  return "";
}

/// The thread's contexts, the current one last.
thread_local std::vector<void*> current_contexts;

int current_device(const Driver& state) {
  for (const auto& [device, context] : state.contexts) {
    if (!current_contexts.empty() && current_contexts.back() == &context) return device;
  }
  return -1;
}

/// Element by element; the sum begins empty.
void add(std::vector<uint64_t>& sum, const std::vector<uint64_t>& more) {
  sum.resize(more.size());
  for (size_t i = 0; i < more.size(); i++) sum[i] += more[i];
}

/// The module as the edit makes it: itself where nothing changes; the last one is kept.
const Module& edited(Driver& state, const Module* module) {
  const std::string& loaded = state.texts.at(module);
  std::string text = state.edit(loaded);
  if (text == loaded) return *module;
  if (!state.edited || state.edited_text != text) {
    state.edited = std::make_unique<Module>(text);
    state.edited_text = std::move(text);
  }
  return *state.edited;
}

void write_seen() {
  std::ofstream file(std::filesystem::path(std::getenv("LUNA_PTX_SEEN")) /
                     std::filesystem::read_symlink("/proc/self/exe").filename());
  for (const Function* function : driver().seen) {
    file << ptx_kernel_key(driver().texts.at(function->module), function->kernel->name) << '\n';
  }
}

/// With LUNA_PTX_SEEN: for the file at the process's end.
void note_seen(Driver& state, const Function& function) {
  static const bool wanted = std::getenv("LUNA_PTX_SEEN") && std::atexit(write_seen) == 0;
  if (wanted) state.seen.insert(&function);
}

int launch(Driver& state, const Function& function, const Shape& grid, const Shape& block,
           size_t dynamic_shared, void** values) {
  const std::string refused = refusal(function, grid, block, dynamic_shared);
  const std::string& name = function.kernel->name;
  if (!refused.empty()) return state.fail(kInvalidValue, "kernel " + name + ": " + refused);
  const FloatScope scope;
  const std::vector<std::byte> parameters = pack_parameters(*function.kernel, values);
  const Module& module = state.edit ? edited(state, function.module) : *function.module;
  const Launch asked{module, *module.find(name), grid, block, dynamic_shared, parameters.data()};
  Counts counts;
  try {
    Executor(asked, state.allocations, state.limit, counts).run();
  } catch (const LaunchError& error) {
    return state.fail(error.code, error.message);
  }
  add(state.counts[name], counts.threads);
  state.sectors[name] += counts.sectors;
  if (&module == function.module) {
    add(state.executed[function.kernel], counts.warps);
    function.most_threads = std::max(function.most_threads, static_cast<int>(block.count()));
    function.most_shared = std::max(function.most_shared, static_cast<int>(dynamic_shared));
    note_seen(state, function);
  }
  return 0;
}

}  // namespace

/// Never destroyed: code under test may call the driver at exit.
Driver& driver() {
  static auto* const instance = new Driver;
  return *instance;
}

extern "C" {

int cuInit(unsigned) { return 0; }

int cuGetErrorName(int code, const char** name) {
  static const std::map<int, const char*> names{
      {kInvalidValue, "CUDA_ERROR_INVALID_VALUE"},
      {kInvalidPtx, "CUDA_ERROR_INVALID_PTX"},
      {kNotFound, "CUDA_ERROR_NOT_FOUND"},
      {kIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
      {kMisalignedAddress, "CUDA_ERROR_MISALIGNED_ADDRESS"},
      {kLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"},
      {kNotSupported, "CUDA_ERROR_NOT_SUPPORTED"}};
  const auto found = names.find(code);
  *name = found == names.end() ? nullptr : found->second;
  return *name ? 0 : kInvalidValue;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  const std::lock_guard lock(driver().mutex);
  *context = &driver().contexts[device];
  return 0;
}

int cuCtxPushCurrent_v2(void* context) {
  current_contexts.push_back(context);
  return 0;
}

int cuCtxPopCurrent_v2(void** context) {
  if (current_contexts.empty()) return kInvalidContext;
  *context = current_contexts.back();
  current_contexts.pop_back();
  return 0;
}

int cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**) {
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  try {
    auto loaded = std::make_unique<Module>(static_cast<const char*>(image));
    *module = loaded.get();
    state.texts[loaded.get()] = static_cast<const char*>(image);
    state.modules[loaded.get()] = std::move(loaded);
  } catch (const ParseError& error) {
    return state.fail(kInvalidPtx, error.what());
  }
  return 0;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  const auto found = state.modules.find(static_cast<const Module*>(module));
  const Kernel* const kernel = found == state.modules.end() ? nullptr : found->second->find(name);
  if (!kernel) return state.fail(kNotFound, fmt::format("no kernel {} in the module", name));
  *function = &state.functions.try_emplace(kernel, Function{found->first, kernel}).first->second;
  return 0;
}

/// Attribute 8: the most dynamic shared memory.
int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (attribute != 8 || value < 0 || static_cast<size_t>(value) > kMostShared) return kInvalidValue;
  const std::lock_guard lock(driver().mutex);
  static_cast<Function*>(function)->most_dynamic_shared = static_cast<size_t>(value);
  return 0;
}

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                   void* stream, void** parameters, void**) {
  const std::lock_guard lock(driver().mutex);
  driver().places.insert({current_device(driver()), stream});
  return launch(driver(), *static_cast<Function*>(function), {grid_x, grid_y, grid_z},
                {block_x, block_y, block_z}, shared, parameters);
}

/// A device of the architecture whose semantics are executed: compute capability 8.0.
int cuDeviceGet(int* handle, int device) { return *handle = device, 0; }

int cuDeviceGetAttribute(int* value, int attribute, int) {
  constexpr int kMajor = 75;
  *value = attribute == kMajor ? 8 : 0;
  return 0;
}

#define LUNA_UNUSED(name) \
  int name() { return kNotSupported; }
#include "tests/support/unused_driver_calls.inc"
LUNA_UNUSED(cuDeviceGetName)
#undef LUNA_UNUSED

}  // extern "C"

}  // namespace luna::test::ptx
