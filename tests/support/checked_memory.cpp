// Kernels in the PTX interpreter may touch the memory of tensors on the stand-in device and nothing
// else. Linked in whole.
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include "tests/support/ptx/driver.h"
#include "tests/support/stand_in_device.h"

namespace luna::test {
namespace {

/// Host memory with a gap that is no tensor's behind every allocation.
class GapAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const data = bytes ? c10::alloc_cpu(bytes + kGap) : nullptr;
    return {data, data, &c10::free_cpu, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static constexpr size_t kGap = 16 * 1024;
};

[[maybe_unused]] const bool kChecked = [] {
  c10::SetCPUAllocator(new GapAllocator, /*priority=*/1);
  set_memory_watcher({&register_global, &unregister_global});
  return true;
}();

}  // namespace
}  // namespace luna::test
