// What a GPU benchmark asks of its device; tests put the CPU in its place.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/bench/gpu_state.h"

namespace luna::bench {

struct Accelerator {
  using Task = std::function<void()>;
  c10::Device device;
  std::function<GpuState()> state;
  std::function<double(const Task&)> seconds;      ///< of one call, nothing of it in the L2 before
  std::function<int64_t(const Task&)> peak_bytes;  ///< of tensors made during one call, at the most
  double memory_bytes;                             ///< that it has
  int64_t square = 8192;                           ///< rows of the matrices of the ceilings
};

/// The first CUDA device; open_cuda() (cuda.h) comes before it.
Accelerator first_gpu();

/// What the device does at the most, by torch's own kernels.
struct DeviceCeiling {
  std::string dtype;  ///< float32, bfloat16
  double gflops;      ///< product of two square matrices
  double gb_s;        ///< read and written by a copy
};

void to_json(nlohmann::json& object, const DeviceCeiling& ceiling);

/// The best of several calls each; float32 without TF32, which stays off.
std::vector<DeviceCeiling> measure_ceilings(const Accelerator& on);

}  // namespace luna::bench
