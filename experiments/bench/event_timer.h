// Timing on a GPU.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>

#include <functional>

namespace luna::bench {

/// Times what a device does between two events on its current stream, with nothing of earlier calls
/// left in the L2 cache. The call is queued behind the writes that see to that, so that short ones
/// are not timed by how fast the host calls.
class EventTimer {
 public:
  explicit EventTimer(c10::Device device);
  double seconds(const std::function<void()>& run);

 private:
  c10::Stream current_stream() const;

  c10::Device device_;
  at::Tensor flush_;  ///< written before each call
  c10::Event begin_, end_;
};

}  // namespace luna::bench
