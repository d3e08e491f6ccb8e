#include "experiments/bench/accelerator.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <memory>

#include "experiments/bench/event_timer.h"

namespace luna::bench {
namespace {

constexpr int kCeilingCalls = 10;

c10::DeviceAllocator& allocator_of(c10::Device device) {
  return *c10::getDeviceAllocator(device.type());
}

int64_t peak_of(c10::Device device, const Accelerator::Task& run) {
  c10::DeviceAllocator& allocator = allocator_of(device);
  const auto allocated = [&] { return allocator.getDeviceStats(device.index()).allocated_bytes; };
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  allocator.resetPeakStats(device.index());
  const int64_t before = allocated()[kAll].current;
  run();
  return allocated()[kAll].peak - before;
}

double shortest(const Accelerator& on, const Accelerator::Task& run) {
  run();
  double least = on.seconds(run);
  for (int i = 1; i < kCeilingCalls; ++i) least = std::min(least, on.seconds(run));
  return least;
}

}  // namespace

Accelerator first_gpu() {
  const c10::Device device(c10::kCUDA, 0);
  const auto timer = std::make_shared<EventTimer>(device);
  return {device, gpu_state, [timer](const Accelerator::Task& run) { return timer->seconds(run); },
          [device](const Accelerator::Task& run) { return peak_of(device, run); },
          static_cast<double>(allocator_of(device).getMemoryInfo(device.index()).second)};
}

void to_json(nlohmann::json& object, const DeviceCeiling& ceiling) {
  object = {{"dtype", ceiling.dtype}, {"gflops", ceiling.gflops}, {"gb_s", ceiling.gb_s}};
}

std::vector<DeviceCeiling> measure_ceilings(const Accelerator& on) {
  at::globalContext().setAllowTF32CuBLAS(false);
  const auto options = at::TensorOptions(at::kFloat).device(on.device);
  const at::Tensor a = at::randn({on.square, on.square}, options), copied = at::empty_like(a);
  const double copy_s = shortest(on, [&] { copied.copy_(a); });
  const double gb_s = 2e-9 * static_cast<double>(a.nbytes()) / copy_s;
  std::vector<DeviceCeiling> found;
  for (const auto& [name, dtype] :
       {std::pair("float32", at::kFloat), {"bfloat16", at::kBFloat16}}) {
    const at::Tensor x = a.to(dtype);
    at::Tensor product = at::empty_like(x);
    const double seconds = shortest(on, [&] { at::mm_out(product, x, x); });
    const auto n = static_cast<double>(on.square);
    found.push_back({name, 2e-9 * n * n * n / seconds, gb_s});
  }
  return found;
}

}  // namespace luna::bench
