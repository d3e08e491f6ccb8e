// What a GPU is doing, as nvidia-smi says: recorded beside every timing, and how a busy one is
// noticed. Tested in tests/experiments/bench.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace luna::bench {

struct GpuState {
  std::string name, driver;
  double sm_mhz = 0, memory_mhz = 0, watts = 0, percent_used = 0;
};

/// Of device 0. Throws std::runtime_error where there is no nvidia-smi or it says something else.
GpuState gpu_state();

/// One line of `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`. Throws likewise.
GpuState parse_gpu_state(const std::string& line);

nlohmann::json to_json(const GpuState& state);

/// Throws std::runtime_error "<command>: <problem>; --force goes on nevertheless" where there is a
/// problem and it is not forced.
void refuse_unless(bool force, const std::string& command, const std::string& problem);

/// Why timing beside what runs there already means nothing; "" where the GPU is idle.
std::string busy_gpu(const GpuState& state);

}  // namespace luna::bench
