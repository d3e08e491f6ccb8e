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
fs::path Candidate::ptx() const { return fs::path(library).replace_extension(".ptx"); }

Candidate candidate_at(const fs::path& folder, const Tunable& tunable,
                       const Parameters& parameters) {
  std::string function = tunable.pipeline + "_at_" + text_of(parameters);
  std::replace_if(
      function.begin(), function.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return {function, folder / (function + ".so")};
}

void remove_candidates(const fs::path& folder) {
  if (!fs::exists(folder)) return;
  std::vector<fs::path> old;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find("_at_") != std::string::npos) {
      old.push_back(entry.path());
    }
  }
  for (const fs::path& file : old) fs::remove(file);
}

bool compiled(const Candidate& candidate) { return fs::exists(candidate.library); }

namespace {

/// What is linked, by Halide. Why it cannot be made, or "".
std::string generate(const Tools& tools, const Tunable& tunable, const Parameters& parameters,
                     const Candidate& candidate) {
  std::vector<std::string> command = {tools.generators.string(),
                                      "-g",
                                      tunable.generator,
                                      "-f",
                                      candidate.function,
                                      "-e",
                                      "object",
                                      "-o",
                                      candidate.library.parent_path().string(),
                                      "target=" + host_target(tunable)};
  command.insert(command.end(), tunable.fixed.begin(), tunable.fixed.end());
  for (const auto& [name, value] : parameters) {
    command.push_back(fmt::format("{}={}", name, value));
  }
  const Output generated = run_program(command);
  return generated.status == 0 ? "" : "its generator refuses: " + complaint(generated.text);
}

/// The same by nvcc: PTX, then an object with the PTX in it and the pipeline that launches it.
std::string compile_kernel(const Tools& tools, const Tunable& tunable, const Parameters& parameters,
                           const Candidate& candidate) {
  std::vector<std::string> command = tunable.compile;
  command.insert(command.end(), tunable.fixed.begin(), tunable.fixed.end());
  for (const auto& [name, value] : parameters) {
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    command.push_back(fmt::format("-DLUNA_{}={}", upper, value));
  }
  command.insert(command.end(), {tunable.generator, "-o", candidate.ptx().string()});
  const Output ptx = run_program(command);
  if (ptx.status != 0) return "nvcc refuses: " + complaint(ptx.text);
  const std::string source = fs::path(candidate.library).replace_extension(".cpp").string();
  const std::string kernel = tunable.pipeline.substr(0, tunable.pipeline.rfind("_cuda"));
  command = tunable.embed;
  command.insert(command.begin() + 1,
                 {"-DPTX=" + candidate.ptx().string(), "-DEMBEDDED=" + source,
                  "-DNAME=" + candidate.function, "-DLAUNCH=" + kernel + "_launch"});
  const Output embedded = run_program(command);
  if (embedded.status != 0) return "its PTX is not embedded: " + complaint(embedded.text);
  const Output object = run_program(
      {tools.compiler.string(), "-c", "-fPIC", source, "-o", candidate.object().string()});
  return object.status == 0 ? "" : "it does not compile: " + complaint(object.text);
}

}  // namespace

std::string compile(const Tools& tools, const Tunable& tunable, const Parameters& parameters,
                    const Candidate& candidate) {
  if (compiled(candidate)) return "";
  fs::create_directories(candidate.library.parent_path());
  const auto make = tunable.compile.empty() ? generate : compile_kernel;
  const std::string problem = make(tools, tunable, parameters, candidate);
  if (!problem.empty()) return problem;
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
