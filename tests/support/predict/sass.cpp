#include "tests/support/predict/sass.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "experiments/autotune/shell.h"
#include "tests/support/temporary_folder.h"

namespace luna::test {
namespace {

/// A block of PTX that is entered at its first line and left at its last.
struct Block {
  int ptx_kept = 0, sass_kept = 0;  ///< instructions that ptxas neither merges nor splits
  int sass = 0;                     ///< machine instructions made of it
  double issued_each_time() const {
    const int copies = ptx_kept > 0 ? std::max(1, (sass_kept + ptx_kept / 2) / ptx_kept) : 1;
    return static_cast<double>(sass) / copies;
  }
};

struct Module {
  std::vector<Block> blocks;
  std::vector<size_t> block_of;  ///< a line, from 1
};

/// The PTX half of a module.
Module split(const std::string& ptx) {
  static const std::regex label("^\\S+:"), branch("\\b(bra|ret)\\b");
  static const std::regex kept("\\b(fma\\.|mma\\.|ldmatrix\\.|shfl\\.|(ld|st)\\.(shared|global))");
  Module module{{{}}, {0}};
  std::istringstream text(ptx);
  for (std::string line; std::getline(text, line);) {
    if (std::regex_search(line, label)) module.blocks.emplace_back();
    module.block_of.push_back(module.blocks.size() - 1);
    module.blocks.back().ptx_kept += std::regex_search(line, kept);
    if (std::regex_search(line, branch)) module.blocks.emplace_back();
  }
  return module;
}

std::string run(const std::vector<std::string>& command) {
  const autotune::Output output = autotune::run_program(command);
  if (output.status != 0) throw std::runtime_error(command.front() + ": " + output.text);
  return output.text;
}

/// nvdisasm's text: before every run of instructions the line of PTX that they come from.
void count(const std::string& listing, Module& module) {
  static const std::regex source("nv_debug_ptx_txt.*line (\\d+)");
  static const std::regex kept("^(FFMA|HMMA|LDSM|SHFL|LDS|STS|LDG|STG)\\b");
  static const std::regex instruction("/\\*[0-9a-f]{4,}\\*/\\s+(?:@!?U?P\\w+\\s+)?([A-Z0-9_.]+)");
  std::istringstream lines(listing);
  size_t line_of_ptx = 0;
  std::smatch m;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, m, source)) {
      line_of_ptx = std::stoul(m[1]);
    } else if (std::regex_search(line, m, instruction) && m.str(1) != "NOP" &&
               line_of_ptx < module.block_of.size()) {
      Block& block = module.blocks[module.block_of[line_of_ptx]];
      block.sass++;
      block.sass_kept += std::regex_search(m.str(1), kept);
    }
  }
}

Module assembled(const SassTools& tools, const std::string& text) {
  const testing::TemporaryFolder folder;
  const std::string ptx = folder.write("kernel.ptx", text).string();
  const std::string cubin = (folder.path() / "kernel.cubin").string();
  run({tools.ptxas, "-arch=sm_90", "-lineinfo", ptx, "-o", cubin});
  Module module = split(text);
  count(run({tools.nvdisasm, "-gp", "-c", cubin}), module);
  return module;
}

}  // namespace

bool SassTools::exist() const {
  return std::filesystem::exists(ptxas) && std::filesystem::exists(nvdisasm);
}

double issued(const SassTools& tools, const PtxProfile& profile) {
  static std::map<std::string, Module> modules;  // by text: seconds each
  auto found = modules.find(profile.text);
  if (found == modules.end()) {
    found = modules.emplace(profile.text, assembled(tools, profile.text)).first;
  }
  const Module& module = found->second;
  std::vector<uint64_t> met(module.blocks.size());
  for (const auto& [line, times] : profile.lines) {
    uint64_t& most = met[module.block_of.at(line)];
    most = std::max(most, times);
  }
  double sum = 0;
  for (size_t i = 0; i < met.size(); ++i) {
    sum += static_cast<double>(met[i]) * module.blocks[i].issued_each_time();
  }
  return sum;
}

}  // namespace luna::test
