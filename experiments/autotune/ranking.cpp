#include "experiments/autotune/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "experiments/autotune/ptxas.h"
#include "experiments/autotune/shell.h"
#include "runtime/io/atomic_file.h"

namespace luna::autotune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kMostThreads = 1024;
/// Four schedulers, each of which has one warp ready while another one waits for its FMA.
constexpr int kFewestWarps = 8;

/// How luna_predict launched a kernel, and what it found that the pipeline costs.
struct Prediction {
  double ns = std::numeric_limits<double>::infinity();
  std::map<std::string, BlockUse> launches;  ///< by kernel; registers: not known, shared: dynamic
};

Prediction predict(const Assembler& assembler, const Tunable& tunable, const Candidate& candidate) {
  Prediction prediction;
  if (!fs::exists(assembler.predict)) return prediction;
  const Output output = run_program({assembler.predict.string(), "--cost", tunable.pipeline,
                                     candidate.library.string(), candidate.function});
  std::istringstream text(output.text);
  if (output.status != 0 || !(text >> prediction.ns)) return {};
  std::string kernel;
  for (BlockUse use{}; text >> kernel >> use.threads >> use.shared;) {
    prediction.launches[kernel] = use;
  }
  return prediction;
}

/// The threads that a module's text bounds that kernel to; a warp where it does not say.
int threads_in(const std::string& ptx, const std::string& kernel) {
  static const std::regex bound("\\.maxntid\\s+(\\d+)(?:\\s*,\\s*(\\d+))?(?:\\s*,\\s*(\\d+))?");
  const size_t begin = std::min(ptx.find(".entry " + kernel + "("), ptx.size());
  const std::string head = ptx.substr(begin, ptx.find('{', begin) - begin);
  std::smatch match;
  if (!std::regex_search(head, match, bound)) return 32;
  int threads = 1;
  for (size_t i = 1; i < match.size(); ++i) threads *= match[i].matched ? std::stoi(match[i]) : 1;
  return threads;
}

Inspection inspect_now(const Assembler& assembler, const Tunable& tunable,
                       const Candidate& candidate) {
  Inspection all;
  const Architecture& on = assembler.architecture;
  const fs::path text = tunable.compile.empty() ? candidate.object() : candidate.ptx();
  const Prediction prediction = predict(assembler, tunable, candidate);
  all.ns = prediction.ns;
  all.occupancy.warps = on.warps + 1;
  for (const std::string& ptx : ptx_modules(text)) {
    const Assembly assembly = assemble(assembler.ptxas, ptx, on.name);
    if (all.reason.empty() && !assembly.problems.empty()) all.reason = assembly.problems.front();
    for (const KernelUse& kernel : assembly.kernels) {
      BlockUse use{kernel.registers, threads_in(ptx, kernel.name), kernel.shared};
      const auto launch = prediction.launches.find(kernel.name);
      if (launch != prediction.launches.end()) {
        use.threads = launch->second.threads;
        use.shared += launch->second.shared;
      }
      if (all.reason.empty()) all.reason = refusal(on, use);
      const Occupancy here = occupancy(on, use);
      if (here.warps >= all.occupancy.warps) continue;
      all.use = use;
      all.occupancy = here;
    }
  }
  if (all.occupancy.limited_by == nullptr) return {"no kernel in its object", {}, {0, 0, ""}};
  return all;
}

fs::path file_of(const Candidate& candidate) {
  return fs::path(candidate.library).replace_extension(".json");
}

/// Whether the file holds what is known of the candidate there.
bool read(const fs::path& file, const Architecture& on, Inspection& known) try {
  std::ifstream stream(file);
  const json there = json::parse(stream);
  if (there.value("architecture", json()) != on.name) return false;
  known.reason = there.value("reason", "");
  known.use = {there.value("registers", 0), there.value("threads", 0), there.value("shared", 0)};
  known.occupancy = occupancy(on, known.use);
  known.ns = there.at("ns").is_number() ? there.at("ns").get<double>() : known.ns;
  return true;
} catch (const json::exception&) {  // no JSON, or of other types
  return false;
}

void write(const fs::path& file, const Architecture& on, const Inspection& known) {
  const json text = {{"architecture", on.name},          {"reason", known.reason},
                     {"registers", known.use.registers}, {"threads", known.use.threads},
                     {"shared", known.use.shared},       {"ns", known.ns}};
  io::write_file_atomically(file, text.dump(1) + "\n");
}

std::string line_of(const Tunable& tunable, const Architecture& on, const Ranked& one) {
  const Inspection& known = one.inspection;
  std::string text = fmt::format("  {:<26} ", text_of(one.parameters));
  if (!known.reason.empty()) return text + "discarded: " + known.reason + "\n";
  const bool called = known.ns < std::numeric_limits<double>::infinity();
  if (called) {
    text += fmt::format(
        "{:>8.3f} ns {:>4} registers x {} threads, {} bytes shared: {} of {} warps, by {}",
        known.ns, known.use.registers, known.use.threads, known.use.shared, known.occupancy.warps,
        on.warps, known.occupancy.limited_by);
  } else {
    text += fmt::format(" no call {:>7} registers", known.use.registers);
  }
  return text + (one.parameters == tunable.defaults() ? "  (default)\n" : "\n");
}

}  // namespace

std::string refusal(const Architecture& on, const BlockUse& use) {
  if (use.threads > kMostThreads) {
    return fmt::format("{} threads, a block may have {}", use.threads, kMostThreads);
  }
  if (use.shared > on.shared_of_block()) {
    return fmt::format("{} bytes of shared memory, a block of {} may have {}", use.shared, on.name,
                       on.shared_of_block());
  }
  const Occupancy by_registers = occupancy(on, {use.registers, use.threads, 0});
  if (by_registers.warps >= kFewestWarps) return "";
  return fmt::format("{} registers x {} threads leave a multiprocessor {} warps", use.registers,
                     use.threads, by_registers.warps);
}

Inspection inspect(const Assembler& assembler, const Tunable& tunable, const Candidate& candidate) {
  Inspection kept;
  const fs::path file = file_of(candidate);
  if (read(file, assembler.architecture, kept)) return kept;
  const Inspection known = inspect_now(assembler, tunable, candidate);
  if (fs::exists(assembler.predict)) write(file, assembler.architecture, known);
  return known;
}

std::string ranking(const Tunable& tunable, const Architecture& on,
                    std::vector<Ranked> candidates) {
  std::string text =
      fmt::format("{}: PREDICTION for {} from instruction counts, nothing was timed\n",
                  tunable.pipeline, on.name);
  const auto order = [](const Ranked& one) {
    return std::make_tuple(!one.inspection.reason.empty(), one.inspection.ns,
                           -one.inspection.occupancy.warps);
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const Ranked& a, const Ranked& b) { return order(a) < order(b); });
  for (const Ranked& one : candidates) text += line_of(tunable, on, one);
  return text;
}

}  // namespace luna::autotune
