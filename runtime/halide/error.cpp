#include "runtime/halide/error.h"

#include <HalideRuntime.h>
#include <c10/util/Exception.h>

namespace {

thread_local std::string last_error;

}  // namespace

/// Replaces the runtime's weak handler, which prints and aborts.
extern "C" void halide_error(void*, const char* message) { last_error = message ? message : ""; }

namespace luna::halide {

void check(int code, const std::string& pipeline) {
  if (code == 0) {
    return;
  }
  std::string message;
  message.swap(last_error);
  TORCH_CHECK(false, "Halide pipeline ", pipeline, " failed with code ", code, ": ", message);
}

}  // namespace luna::halide
