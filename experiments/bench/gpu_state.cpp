#include "experiments/bench/gpu_state.h"

#include <fmt/format.h>
#include <stdio.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "runtime/halide/cuda_driver.h"

namespace luna::bench {
namespace {

constexpr double kMostUsed = 5;  // percent, while nothing of ours runs
constexpr double kIdleSeconds = 30, kPauseSeconds = 1;
constexpr int kMostAsked = 5;
constexpr const char* kQuery =
    "--query-gpu=name,driver_version,clocks.sm,clocks.mem,power.draw,utilization.gpu "
    "--format=csv,noheader,nounits 2>&1";
constexpr size_t kFields = 6;

std::optional<double> number(const std::string& field) {
  char* end = nullptr;
  const double value = std::strtod(field.c_str(), &end);
  return end == field.c_str() ? std::nullopt : std::optional(value);
}

nlohmann::json or_null(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

/// The first line that a command prints.
std::string first_line_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  char buffer[512] = {};
  const char* const got = fgets(buffer, sizeof buffer, pipe);
  pclose(pipe);
  const std::string line = got ? buffer : "";
  return line.substr(0, line.find('\n'));
}

}  // namespace

GpuState parse_gpu_state(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) {
    fields.push_back(field.substr(std::min(field.size(), field.find_first_not_of(" \t"))));
  }
  if (fields.size() != kFields) return {};
  return {fields[0],         fields[1],         number(fields[2]),
          number(fields[3]), number(fields[4]), number(fields[5])};
}

GpuState gpu_state() {
  const std::string bus = halide::device_bus(0);
  GpuState state = parse_gpu_state(
      first_line_of(fmt::format("nvidia-smi --id={} {}", bus.empty() ? "0" : bus, kQuery)));
  if (state.name.empty()) state.name = halide::device_name(0);
  return state;
}

nlohmann::json to_json(const GpuState& state) {
  return {{"name", state.name},
          {"driver", state.driver},
          {"sm_mhz", or_null(state.sm_mhz)},
          {"memory_mhz", or_null(state.memory_mhz)},
          {"watts", or_null(state.watts)},
          {"percent_used", or_null(state.percent_used)}};
}

void refuse_unless(bool force, const std::string& command, const std::string& problem) {
  if (problem.empty() || force) return;
  throw std::runtime_error(command + ": " + problem + "; --force goes on nevertheless");
}

std::string busy_gpu(const GpuState& state) {
  if (!state.percent_used) return "nvidia-smi does not say whether another process uses the GPU";
  if (*state.percent_used <= kMostUsed) return "";
  return fmt::format("another process uses the GPU ({:.0f} % busy)", *state.percent_used);
}

BusyWatch::BusyWatch(std::function<GpuState()> state, std::function<void(double)> pause,
                     std::function<double()> now)
    : state_(std::move(state)), pause_(std::move(pause)), now_(std::move(now)) {}

std::string BusyWatch::problem() {
  if (idle_ && now_() - *idle_ < kIdleSeconds) return "";
  std::string busy;
  for (int asked = 0; asked < kMostAsked; ++asked) {
    pause_(kPauseSeconds);
    busy = busy_gpu(state_());
    if (!busy.empty()) continue;
    idle_ = now_();
    break;
  }
  return busy;
}

}  // namespace luna::bench
