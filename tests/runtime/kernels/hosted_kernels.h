// The CUDA generators compiled for the CPU, in the place of the CPU kernels: linked into a test,
// hosted_kernels.cpp defines kernels.h's functions, which the dynamic linker prefers to libluna's.
#pragma once

#include <cstdint>

namespace luna::test {

/// Calls of hosted kernels so far.
int64_t hosted_calls();

}  // namespace luna::test
