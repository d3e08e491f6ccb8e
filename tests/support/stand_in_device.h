// A CUDA device without a GPU: tensors that call themselves CUDA's but lie in host memory, on which
// ATen's operators run as on the CPU, and a device guard whose streams are numbers. Linked in whole
// by tests that follow a call down to the (stand-in) driver.
#pragma once

#include <ATen/ATen.h>

namespace luna::test {

/// A copy of `host` on `cuda:index`.
at::Tensor to_stand_in(const at::Tensor& host, int index = 0);

/// Told where every tensor on a stand-in device begins and ceases to lie in memory.
struct MemoryWatcher {
  void (*begins)(const void* data, size_t bytes);
  void (*ends)(const void* data, size_t bytes);
};

/// Of tensors made from now on; once, before the first.
void set_memory_watcher(const MemoryWatcher& watcher);

/// The calling thread's current stream on every stand-in device; a CUstream.
void set_stand_in_stream(size_t stream);

/// Times that the host would have waited for the stream so far: copies from the device to the host,
/// and operators that give the host a value or a size which depends on values.
int64_t stand_in_waits();

/// Bytes of tensors that lie on stand-in devices.
int64_t stand_in_bytes();

/// The n-th tensor from now on finds no memory there, and raises as torch's allocator does; 0:
/// every one does.
void fail_stand_in_allocation(int64_t n);

/// Copies from the host to a device so far, which a CUDA graph cannot capture.
int64_t stand_in_uploads();

}  // namespace luna::test
