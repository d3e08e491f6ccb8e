#include "tests/support/predict/sass.h"

#include <algorithm>
#include <filesystem>
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
  uint64_t met = 0;                 ///< times
  int ptx_kept = 0, sass_kept = 0;  ///< instructions that ptxas neither merges nor splits
  int sass = 0;                     ///< machine instructions made of it
  double issued() const {
    const int copies = ptx_kept > 0 ? std::max(1, (sass_kept + ptx_kept / 2) / ptx_kept) : 1;
    return static_cast<double>(met) * sass / copies;
  }
};

/// The number of the block that each line belongs to, from 1; fills the blocks' PTX half.
std::vector<size_t> split(const PtxProfile& profile, std::vector<Block>& blocks) {
  static const std::regex label("^\\S+:"), branch("\\b(bra|ret)\\b");
  static const std::regex kept("\\b(fma\\.|mma\\.|ldmatrix\\.|shfl\\.|(ld|st)\\.(shared|global))");
  std::vector<size_t> block_of = {0};
  std::istringstream text(profile.text);
  blocks.emplace_back();
  for (std::string line; std::getline(text, line);) {
    if (std::regex_search(line, label)) blocks.emplace_back();
    Block& block = blocks.back();
    const auto met = profile.lines.find(static_cast<int>(block_of.size()));
    block_of.push_back(blocks.size() - 1);
    if (met != profile.lines.end()) block.met = std::max(block.met, met->second);
    block.ptx_kept += std::regex_search(line, kept);
    if (std::regex_search(line, branch)) blocks.emplace_back();
  }
  return block_of;
}

std::string run(const std::vector<std::string>& command) {
  const autotune::Output output = autotune::run_program(command);
  if (output.status != 0) throw std::runtime_error(command.front() + ": " + output.text);
  return output.text;
}

/// nvdisasm's text: before every run of instructions the line of PTX that they come from.
void count(const std::string& listing, const std::vector<size_t>& block_of,
           std::vector<Block>& blocks) {
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
               line_of_ptx < block_of.size()) {
      Block& block = blocks[block_of[line_of_ptx]];
      block.sass++;
      block.sass_kept += std::regex_search(m.str(1), kept);
    }
  }
}

}  // namespace

bool SassTools::exist() const {
  return std::filesystem::exists(ptxas) && std::filesystem::exists(nvdisasm);
}

double issued(const SassTools& tools, const PtxProfile& profile) {
  const testing::TemporaryFolder folder;
  const std::string ptx = folder.write("kernel.ptx", profile.text).string();
  const std::string cubin = (folder.path() / "kernel.cubin").string();
  run({tools.ptxas, "-arch=sm_90", "-lineinfo", ptx, "-o", cubin});
  std::vector<Block> blocks;
  const std::vector<size_t> block_of = split(profile, blocks);
  count(run({tools.nvdisasm, "-gp", "-c", cubin}), block_of, blocks);
  double sum = 0;
  for (const Block& block : blocks) sum += block.issued();
  return sum;
}

}  // namespace luna::test
