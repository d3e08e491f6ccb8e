#include "runtime/halide/error.h"

#include <HalideRuntime.h>
#include <c10/util/Exception.h>

namespace {

thread_local std::string kept;

}  // namespace

/// Replaces the runtime's weak handler, which prints and aborts.
extern "C" void halide_error(void*, const char* message) {
  luna::halide::keep_error(message ? message : "");
}

namespace luna::halide {

void keep_error(const std::string& message) {
  if (kept.empty()) {
    kept = message;
    kept.erase(kept.find_last_not_of('\n') + 1);
  }
}

std::string take_error() {
  std::string message;
  message.swap(kept);
  return message;
}

void fail(int code, const std::string& what) {
  TORCH_CHECK(false, "Halide pipeline ", what, " failed with code ", code, ": ", take_error());
}

}  // namespace luna::halide
