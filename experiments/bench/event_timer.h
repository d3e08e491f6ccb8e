// Timing on a GPU.
#pragma once

#include <ATen/ATen.h>

#include <functional>

namespace luna::bench {

/// Times what a device does between two events on its current stream, with nothing of earlier calls
/// left in the L2 cache.
class EventTimer {
 public:
  explicit EventTimer(c10::Device device);
  double seconds(const std::function<void()>& run);

 private:
  c10::Device device_;
  at::Tensor flush_;  ///< written before each call
};

}  // namespace luna::bench
