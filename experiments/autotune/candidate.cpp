#include "experiments/autotune/candidate.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "experiments/autotune/shell.h"

namespace luna::autotune {
namespace {

namespace fs = std::filesystem;

/// Of the build's targets the one that this machine runs.
std::string host_target(const Tunable& tunable) {
  const bool wide = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  const std::string& target =
      tunable.kind == "cuda" || wide ? tunable.targets.front() : tunable.targets.back();
  return target + "-no_runtime";
}

/// The line of a tool's output that says what is wrong.
std::string complaint(const std::string& output) {
  const size_t at = std::min(output.find("rror"), output.size());
  const size_t begin = output.rfind('\n', at);
  const std::string line = output.substr(begin == std::string::npos ? 0 : begin + 1);
  return line.substr(0, line.find('\n'));
}

}  // namespace

fs::path Candidate::object() const { return fs::path(library).replace_extension(".o"); }

Candidate candidate_at(const fs::path& folder, const Tunable& tunable,
                       const Parameters& parameters) {
  std::string function = tunable.pipeline + "_at_" + text_of(parameters);
  std::replace_if(
      function.begin(), function.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return {function, folder / (function + ".so")};
}

bool compiled(const Candidate& candidate) { return fs::exists(candidate.library); }

std::string compile(const Tools& tools, const Tunable& tunable, const Parameters& parameters,
                    const Candidate& candidate) {
  if (compiled(candidate)) return "";
  const fs::path folder = candidate.library.parent_path();
  fs::create_directories(folder);
  std::vector<std::string> command = {tools.generators.string(),
                                      "-g",
                                      tunable.generator,
                                      "-f",
                                      candidate.function,
                                      "-e",
                                      "object",
                                      "-o",
                                      folder.string(),
                                      "target=" + host_target(tunable)};
  command.insert(command.end(), tunable.fixed.begin(), tunable.fixed.end());
  for (const auto& [name, value] : parameters) {
    command.push_back(fmt::format("{}={}", name, value));
  }
  const Output generated = run_program(command);
  if (generated.status != 0) return "its generator refuses: " + complaint(generated.text);
  const fs::path unfinished = candidate.library.string() + ".part";
  const Output linked = run_program({tools.compiler.string(), "-shared", "-Wl,-Bsymbolic", "-o",
                                     unfinished.string(), candidate.object().string()});
  if (linked.status != 0) return "it does not link: " + complaint(linked.text);
  fs::rename(unfinished, candidate.library);
  return "";
}

kernels::Pipeline load(const Candidate& candidate) {
  void* const library = dlopen(candidate.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  const std::string name = candidate.function + "_argv";
  void* const entry = dlsym(library, name.c_str());
  if (entry == nullptr) throw std::runtime_error(dlerror());
  return reinterpret_cast<kernels::Pipeline>(entry);
}

}  // namespace luna::autotune
