// A GPU for this process, where there is one. Nothing here is needed to build or to start: the
// driver and torch's CUDA half are opened when a command asks for them.
#pragma once

#include <string>

namespace luna::bench {

/// Loads torch's CUDA half. Why there is no CUDA device to run on, one line; "" where there is.
std::string open_cuda();

}  // namespace luna::bench
