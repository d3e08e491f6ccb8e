#include "experiments/bench/event_timer.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace luna::bench {

constexpr int64_t kFlushBytes = 256 << 20;  // beyond every GPU's L2
/// An H100 is busy for about a millisecond with these, in which the host queues the call: between
/// the events the device does not wait for it.
constexpr int kFlushes = 8;

EventTimer::EventTimer(c10::Device device)
    : device_(device),
      flush_(at::empty({kFlushBytes}, at::TensorOptions(at::kByte).device(device))),
      begin_(device.type(), c10::EventFlag::BACKEND_DEFAULT),
      end_(device.type(), c10::EventFlag::BACKEND_DEFAULT) {
  const c10::Stream stream = current_stream();
  begin_.record(stream);  // the first time makes them
  end_.record(stream);
}

c10::Stream EventTimer::current_stream() const {
  return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

double EventTimer::seconds(const std::function<void()>& run) {
  for (int k = 0; k < kFlushes; ++k) flush_.zero_();
  const c10::Stream stream = current_stream();
  begin_.record(stream);
  run();
  end_.record(stream);
  end_.synchronize();
  return 1e-3 * begin_.elapsedTime(end_);
}

}  // namespace luna::bench
