// What a GPU is doing, as nvidia-smi says: recorded beside every timing, and how a busy one is
// noticed. Tested in tests/experiments/bench.
#pragma once

#include <functional>
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

/// Asks the same between timings of this process, whose own calls nvidia-smi still counts for about
/// a second after their end.
class BusyWatch {
 public:
  BusyWatch(std::function<GpuState()> state, std::function<void(double seconds)> pause,
            std::function<double()> now);
  /// "" too where the GPU was found idle within the last half minute; one that is busy is asked
  /// again after a second, a few times.
  std::string problem();

 private:
  std::function<GpuState()> state_;
  std::function<void(double)> pause_;
  std::function<double()> now_;
  std::optional<double> idle_;  ///< when it was
};

}  // namespace luna::bench
