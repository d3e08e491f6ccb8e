// Tensors that call themselves CUDA's but lie in host memory, and a device guard whose streams are
// numbers: enough of a device to follow a call down to the (stand-in) driver.
#pragma once

#include <ATen/ATen.h>

namespace luna::test {

/// float32 zeros of that shape on `cuda:index`.
at::Tensor stand_in_tensor(at::IntArrayRef sizes, int index = 0);

/// The calling thread's current stream on every stand-in device; a CUstream.
void set_stand_in_stream(size_t stream);

}  // namespace luna::test
