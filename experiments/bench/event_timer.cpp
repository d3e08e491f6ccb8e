#include "experiments/bench/event_timer.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace luna::bench {

constexpr int64_t kFlushBytes = 256 << 20;  // beyond every GPU's L2

EventTimer::EventTimer(c10::Device device)
    : device_(device),
      flush_(at::empty({kFlushBytes}, at::TensorOptions(at::kByte).device(device))) {}

double EventTimer::seconds(const std::function<void()>& run) {
  flush_.zero_();
  const c10::impl::VirtualGuardImpl guard(device_.type());
  const c10::Stream stream = guard.getStream(device_);
  c10::Event begin(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
  c10::Event end(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
  begin.record(stream);
  run();
  end.record(stream);
  end.synchronize();
  return 1e-3 * begin.elapsedTime(end);
}

}  // namespace luna::bench
