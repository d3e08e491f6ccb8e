// Halide's CUDA runtime on torch's devices and streams. No CUDA header or library is needed to
// build: the driver is opened at the first CUDA pipeline, libcuda.so.1 or the library that the
// environment variable LUNA_CUDA_DRIVER names (tests: a stand-in). Tested by tests/runtime/halide.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace luna::halide {

/// Where a CUDA pipeline runs: what pipelines take as their user context.
struct CudaPlace {
  int device;    ///< ordinal of the device, whose primary context is torch's too
  void* stream;  ///< CUstream
};

/// torch's current stream of `device` for the calling thread. Throws c10::Error where torch has no
/// CUDA (libtorch_cuda is not loaded).
CudaPlace current_place(c10::Device device);

/// "NVIDIA H100 80GB HBM3"; "" where the driver does not say.
std::string device_name(int device);

}  // namespace luna::halide
