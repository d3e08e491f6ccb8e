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

/// One launch of a kernel that is not Halide's: `arguments` is its only parameter, a struct by
/// value.
struct KernelLaunch {
  /// PTX, and a name in it: both lie where they are for the life of the process, and are told from
  /// others by their addresses.
  const char *module, *kernel;
  unsigned grid_x, grid_y, grid_z, threads, shared_bytes;
  void* arguments;
};

/// Loads the module at the first launch on a device, and launches. Returns a Halide code, as
/// pipelines do, with the thread's error kept (error.h).
int launch(const CudaPlace& place, const KernelLaunch& launch);

/// Why no CUDA pipeline can run here, one line: no driver, or no device that it finds; "" where one
/// can.
std::string driver_problem();

/// 10 major + minor, 90 for an H100; 0 where the driver does not say. After cuInit.
int compute_capability(int device);

/// Whether torch's current stream of a CUDA device is being captured (in a CUDA graph): then the
/// host cannot wait for it.
bool is_capturing(c10::Device device);

/// "NVIDIA H100 80GB HBM3", asked for once; "" where the driver does not say.
std::string device_name(int device);

/// "0000:1b:00.0", which names the device whatever order its process sees devices in; "" where the
/// driver does not say.
std::string device_bus(int device);

}  // namespace luna::halide
