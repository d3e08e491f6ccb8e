#include "experiments/autotune/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "experiments/autotune/ptxas.h"
#include "experiments/autotune/shell.h"

namespace luna::autotune {
namespace {

constexpr int kRegisterFile = 64 * 1024, kLanes = 32;  // of a multiprocessor, of a warp
/// Four schedulers, each of which has one warp ready while another one waits for its FMA.
constexpr int kFewestWarps = 8;

int warps_of(int registers) {
  const int allocated = (registers + 7) / 8 * 8;
  return allocated == 0 ? 64 : std::min(64, kRegisterFile / (allocated * kLanes));
}

Assembly assembly_of(const Assembler& assembler, const Candidate& candidate) {
  Assembly all;
  for (const std::string& ptx : ptx_modules(candidate.object())) {
    const Assembly one = assemble(assembler.ptxas, ptx, assembler.architecture);
    all.kernels.insert(all.kernels.end(), one.kernels.begin(), one.kernels.end());
    all.problems.insert(all.problems.end(), one.problems.begin(), one.problems.end());
  }
  return all;
}

int registers_of(const Assembly& assembly) {
  int most = 0;
  for (const KernelUse& kernel : assembly.kernels) most = std::max(most, kernel.registers);
  return most;
}

double predicted_ns(const std::string& predict, const Tunable& tunable,
                    const Candidate& candidate) {
  const Output output = run_program(
      {predict, "--cost", tunable.pipeline, candidate.library.string(), candidate.function});
  return output.status == 0 ? std::stod(output.text) : std::numeric_limits<double>::infinity();
}

}  // namespace

std::string inspect(const Assembler& assembler, const Candidate& candidate) {
  const Assembly assembly = assembly_of(assembler, candidate);
  if (assembly.kernels.empty()) return "no kernel in its object";
  if (!assembly.problems.empty()) return assembly.problems.front();
  const int registers = registers_of(assembly);
  if (warps_of(registers) >= kFewestWarps) return "";
  return fmt::format("{} registers leave a multiprocessor {} warps", registers,
                     warps_of(registers));
}

std::vector<Ranked> rank(const Assembler& assembler, const std::string& predict,
                         const std::filesystem::path& folder, const Tunable& tunable,
                         const std::vector<Parameters>& candidates) {
  std::vector<Ranked> ranked;
  for (const Parameters& parameters : candidates) {
    const Candidate candidate = candidate_at(folder, tunable, parameters);
    const int registers = registers_of(assembly_of(assembler, candidate));
    ranked.push_back(
        {parameters, registers, warps_of(registers), predicted_ns(predict, tunable, candidate)});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.ns < b.ns; });
  return ranked;
}

std::string ranking(const Tunable& tunable, const std::vector<Ranked>& ranked) {
  std::string text =
      fmt::format("{}: PREDICTION from instruction counts, nothing was timed\n", tunable.pipeline);
  for (const Ranked& one : ranked) {
    text += fmt::format("  {:<24}{:>8.3f} ns {:>5} registers {:>4} warps{}\n",
                        text_of(one.parameters), one.ns, one.registers, one.warps,
                        one.parameters == tunable.defaults() ? "  (default)" : "");
  }
  return text;
}

}  // namespace luna::autotune
