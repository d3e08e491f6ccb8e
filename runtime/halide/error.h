// Errors of Halide's runtime as c10::Error.
#pragma once

#include <string>

namespace luna::halide {

/// Throws c10::Error naming the pipeline, with Halide's own message, unless code is 0.
void check(int code, const std::string& pipeline);

}  // namespace luna::halide
