// Memory of an operator: what tensors on the CPU hold while it runs. Used by `luna bench --full`
// and by the test that fused operators keep no features.
#pragma once

#include <cstdint>
#include <functional>

namespace luna::bench {

/// The most bytes that tensors made during `action` held at one time, on all threads, outputs
/// included. Memory that is not a tensor's (stacks, tiles of a kernel, BLAS packing) is not seen.
/// Not to be nested, nor run beside other work with tensors.
int64_t peak_bytes(const std::function<void()>& action);

}  // namespace luna::bench
