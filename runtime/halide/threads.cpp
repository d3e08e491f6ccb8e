// Parallel loops of Halide's pipelines on torch's threads.
#include <ATen/Parallel.h>
#include <HalideRuntime.h>

#include <atomic>
#include <mutex>

#include "runtime/halide/error.h"

/// Replaces the runtime's weak thread pool. Returns the code of a failed iteration, whose message
/// moves to the calling thread, or 0.
extern "C" int halide_do_par_for(void* user_context, halide_task_t task, int min, int size,
                                 uint8_t* closure) {
  std::atomic<int> code{0};
  std::mutex mutex;
  std::string message;
  at::parallel_for(0, size, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && code == 0; i++) {
      const int failed = task(user_context, min + static_cast<int>(i), closure);
      if (failed == 0) {
        continue;
      }
      const std::lock_guard lock(mutex);
      code = failed;
      message = luna::halide::take_error();
    }
  });
  if (code != 0) {
    luna::halide::keep_error(message);
  }
  return code;
}
