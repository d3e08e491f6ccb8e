// Errors of Halide's runtime as c10::Error. The runtime reports a message through halide_error and
// a code through the pipeline's return value; the message is kept per thread until the two meet.
#pragma once

#include <string>

namespace luna::halide {

/// Keeps `message` as the calling thread's error, unless one is kept already: the first is the
/// cause.
void keep_error(const std::string& message);

/// The calling thread's kept error, which it forgets.
std::string take_error();

/// Throws c10::Error naming `what` (a pipeline and its buffers), with the kept message.
[[noreturn]] void fail(int code, const std::string& what);

}  // namespace luna::halide
