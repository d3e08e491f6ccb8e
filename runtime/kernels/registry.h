// Every compiled Halide pipeline by name. Names: <pass>_<map>[<channel tile>][_big]_<size>, size 0
// = any head size; CUDA pipelines end in _cuda. The list is generated from
// generators/CMakeLists.txt.
#pragma once

#include <string>

namespace luna::kernels {

/// A pipeline's uniform entry: pointers to its arguments (halide_buffer_t or scalar) in declaration
/// order.
using Pipeline = int (*)(void** arguments);

/// The pipeline of that name, or nullptr.
Pipeline find_pipeline(const std::string& name);

}  // namespace luna::kernels
