#include "experiments/bench/memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/ScopeExit.h>

#include <atomic>

#include "runtime/ops/fixed_maps.h"

namespace luna::bench {
namespace {

constexpr size_t kHeader = 64;  // bytes before the data: its size; keeps torch's alignment of 64
constexpr uint8_t kPriority = 1;

std::atomic<int64_t> held{0}, most{0};

void release(void* data) {
  if (data == nullptr) return;
  char* const base = static_cast<char*>(data) - kHeader;
  held -= *reinterpret_cast<int64_t*>(base);
  c10::free_cpu(base);
}

class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::kCPU)};
    char* const base = static_cast<char*>(c10::alloc_cpu(bytes + kHeader));
    *reinterpret_cast<int64_t*>(base) = static_cast<int64_t>(bytes);
    const int64_t now = held += static_cast<int64_t>(bytes);
    int64_t before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    void* const data = base + kHeader;
    return {data, data, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

int64_t peak_bytes(const std::function<void()>& action) {
  static CountingAllocator counting;
  c10::Allocator* const usual = c10::GetCPUAllocator();
  c10::SetCPUAllocator(&counting, kPriority);
  const auto restore = c10::make_scope_exit([&] { c10::SetCPUAllocator(usual, kPriority); });
  const int64_t before = held;
  most = before;
  action();
  return most - before;
}

double fused_peak_limit(const Operator& op, const Size& size, int64_t features, Pass pass) {
  const ops::NamedMap map = ops::find_fixed_map(op.map);
  const int64_t prepared = map && (map->unit_rows || map->columns == ops::ValueColumns::by_polarity)
                               ? 2
                               : 1,
                states = 8;
  const int64_t shares = prepared * (pass == Pass::kForward ? 1 : 3);
  const int64_t head = size.N * shares * 2 * size.d + states * features * (size.d + 1);
  constexpr double kTables = 1 << 20;
  return kTables + static_cast<double>(sizeof(float)) * static_cast<double>(size.B * size.H * head);
}

}  // namespace luna::bench
