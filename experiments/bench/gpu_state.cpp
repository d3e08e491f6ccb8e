#include "experiments/bench/gpu_state.h"

#include <fmt/format.h>
#include <stdio.h>

#include <sstream>
#include <stdexcept>
#include <vector>

namespace luna::bench {
namespace {

constexpr double kMostUsed = 5;  // percent, before anything of ours runs
constexpr const char* kCommand =
    "nvidia-smi --id=0 --query-gpu=name,driver_version,clocks.sm,clocks.mem,power.draw,"
    "utilization.gpu --format=csv,noheader,nounits 2>&1";

}  // namespace

GpuState parse_gpu_state(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) {
    fields.push_back(field.substr(std::min(field.size(), field.find_first_not_of(" \t"))));
  }
  try {
    return {fields.at(0),
            fields.at(1),
            std::stod(fields.at(2)),
            std::stod(fields.at(3)),
            std::stod(fields.at(4)),
            std::stod(fields.at(5))};
  } catch (const std::logic_error&) {  // a field that is missing or no number
    throw std::runtime_error("bench: nvidia-smi says '" + line +
                             "' where name, driver, clocks, power and use were asked for");
  }
}

GpuState gpu_state() {
  FILE* const pipe = popen(kCommand, "r");
  if (pipe == nullptr) throw std::runtime_error("bench: nvidia-smi cannot be started");
  char buffer[512] = {};
  const char* const got = fgets(buffer, sizeof buffer, pipe);
  pclose(pipe);
  const std::string line = got ? buffer : "";
  return parse_gpu_state(line.substr(0, line.find('\n')));
}

nlohmann::json to_json(const GpuState& state) {
  return {{"name", state.name},     {"driver", state.driver},
          {"sm_mhz", state.sm_mhz}, {"memory_mhz", state.memory_mhz},
          {"watts", state.watts},   {"percent_used", state.percent_used}};
}

void refuse_unless(bool force, const std::string& command, const std::string& problem) {
  if (problem.empty() || force) return;
  throw std::runtime_error(command + ": " + problem + "; --force goes on nevertheless");
}

std::string busy_gpu(const GpuState& state) {
  if (state.percent_used <= kMostUsed) return "";
  return fmt::format("another process uses the GPU ({:.0f} % busy)", state.percent_used);
}

}  // namespace luna::bench
