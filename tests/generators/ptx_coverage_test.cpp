// Every kernel that is built was executed by one of the tests on the PTX interpreter, which leave
// what they have seen in LUNA_PTX_SEEN.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "experiments/autotune/ptxas.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {
namespace {

namespace fs = std::filesystem;

std::set<std::string> seen_kernels() {
  std::set<std::string> seen;
  for (const fs::directory_entry& entry : fs::directory_iterator(LUNA_PTX_SEEN)) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) seen.insert(line);
  }
  return seen;
}

TEST(PtxCoverage, EveryKernelWasExecuted) {
  const std::set<std::string> seen = seen_kernels();
  const std::regex entry(R"(\.entry\s+(\w+)\s*\()");
  std::ifstream archives(LUNA_CUDA_ARCHIVES);
  size_t kernels = 0;
  for (std::string archive; std::getline(archives, archive);) {
    if (archive.find("_at_") != std::string::npos)
      continue;  // a schedule file's: tuning checked it
    for (const std::string& text : autotune::ptx_modules(archive)) {
      for (std::sregex_iterator it(text.begin(), text.end(), entry), end; it != end; ++it) {
        kernels++;
        EXPECT_TRUE(seen.count(ptx_kernel_key(text, (*it)[1])))
            << fs::path(archive).stem().string() << ": no test executes " << (*it)[1];
      }
    }
  }
  EXPECT_GT(kernels, 0u);
  fmt::print("{} kernels\n", kernels);
}

}  // namespace
}  // namespace luna::test
