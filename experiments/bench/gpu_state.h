// What a GPU is doing, as nvidia-smi says: recorded beside every timing, and how a busy one is
// noticed. Tested in tests/experiments/bench.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace luna::bench {

/// Numbers are absent where nvidia-smi does not know them ("[N/A]", of a part of a GPU and on some
/// boards) or there is none.
struct GpuState {
  std::string name, driver;
  std::optional<double> sm_mhz, memory_mhz, watts, percent_used;
};

/// Of the process's first device, after bench::open_cuda().
GpuState gpu_state();

/// One line of `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`; all absent where it is
/// something else.
GpuState parse_gpu_state(const std::string& line);

nlohmann::json to_json(const GpuState& state);

/// Throws std::runtime_error "<command>: <problem>; --force goes on nevertheless" where there is a
/// problem and it is not forced.
void refuse_unless(bool force, const std::string& command, const std::string& problem);

/// Why timing beside what runs there already means nothing, or that it cannot be known; "" where
/// the GPU is idle.
std::string busy_gpu(const GpuState& state);

}  // namespace luna::bench
