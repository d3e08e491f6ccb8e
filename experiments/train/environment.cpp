#include "experiments/train/environment.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <torch/version.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "runtime/io/sha256.h"
#include "runtime/luna.h"

namespace luna::experiments {
namespace {

/// The value after "key<separator>" of the first line of `path` that starts with key.
std::string value_in(const char* path, const std::string& key, const std::string& separator) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t at = line.find(separator);
    if (line.rfind(key, 0) == 0 && at != std::string::npos) {
      return line.substr(at + separator.size());
    }
  }
  return "unknown";
}

std::string unquoted(const std::string& text) {
  return text.size() > 1 && text.front() == '"' ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

std::string library_sha256() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&luna_attention), &info) == 0) return "unknown";
  return io::sha256_file(info.dli_fname);
}

nlohmann::json capture_environment() {
  utsname system{};
  uname(&system);
  const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                        static_cast<double>(sysconf(_SC_PAGE_SIZE)) / (1 << 30);
  return {{"cpu", value_in("/proc/cpuinfo", "model name", ": ")},
          {"isa", at::get_cpu_capability()},
          {"cores", std::thread::hardware_concurrency()},
          {"threads", at::get_num_threads()},
          {"memory_gib", std::stod(fmt::format("{:.1f}", memory))},
          {"os", unquoted(value_in("/etc/os-release", "PRETTY_NAME", "="))},
          {"kernel", system.release},
          {"compiler", fmt::format("g++ {}", __VERSION__)},
          {"torch", TORCH_VERSION},
          {"halide", LUNA_HALIDE_VERSION},
          {"luna", LUNA_VERSION},
          {"commit", LUNA_COMMIT},
          {"library_sha256", library_sha256()},
          {"device", "cpu"}};
}

}  // namespace luna::experiments
