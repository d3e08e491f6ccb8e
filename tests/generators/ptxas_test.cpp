// No kernel of a CUDA pipeline spills or keeps a stack frame, on the architectures of A100 and
// H100, and registers and static shared memory of each are those of ptxas_table.tsv.
#include "experiments/autotune/ptxas.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "experiments/autotune/shell.h"
#include "tests/support/temporary_folder.h"

namespace luna::autotune {
namespace {

using luna::testing::TemporaryFolder;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kArchitectures[] = {"sm_80", "sm_90"};

/// A kernel that holds 64 numbers at once.
std::string greedy_kernel() {
  std::string loads, stores;
  for (int i = 0; i < 64; ++i) {
    loads += fmt::format("ld.volatile.global.f32 %f{}, [%rd1+{}];\n", i, 4 * i);
    stores += fmt::format("st.volatile.global.f32 [%rd1+{}], %f{};\n", 4 * i, 63 - i);
  }
  return fmt::format(
      ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry greedy(.param .u64 p)\n"
      "{{\n.reg .f32 %f<64>;\n.reg .b64 %rd<2>;\nld.param.u64 %rd1, [p];\n{}{}ret;\n}}\n",
      loads, stores);
}

/// One module of one pipeline on one architecture.
struct Job {
  std::string pipeline, ptx, architecture;
  Assembly assembly{};
};

std::vector<Job> jobs_of_every_pipeline() {
  std::vector<Job> jobs;
  std::ifstream archives(LUNA_CUDA_ARCHIVES);
  for (std::string archive; std::getline(archives, archive);) {
    const std::string stem = std::filesystem::path(archive).stem().string();
    const std::string pipeline = stem.rfind("lib", 0) == 0 ? stem.substr(3) : stem;
    const std::vector<std::string> modules = ptx_modules(archive);
    EXPECT_FALSE(modules.empty()) << archive << " holds no PTX";
    for (const std::string& ptx : modules) {
      for (const char* architecture : kArchitectures) jobs.push_back({pipeline, ptx, architecture});
    }
  }
  return jobs;
}

void assemble_two_at_a_time(std::vector<Job>& jobs) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i; (i = next++) < jobs.size();) {
      jobs[i].assembly = assemble(LUNA_PTXAS, jobs[i].ptx, jobs[i].architecture);
    }
  };
  std::thread second(work);
  work();
  second.join();
}

class Ptxas : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(LUNA_PTXAS)) {
      GTEST_SKIP() << "no ptxas on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin";
    }
  }
};

/// The last line that `ptxas --version` prints: "Build cuda_13.0...".
std::string version_of_ptxas() {
  const std::string text = run_program({LUNA_PTXAS, "--version"}).text;
  const size_t end = text.find_last_not_of('\n') + 1, begin = text.rfind('\n', end - 1) + 1;
  return text.substr(begin, end - begin);
}

/// Its version, then a row a kernel and architecture, sorted; not of the variants that this
/// machine's schedule files ask for.
std::vector<std::string> table_of(const std::vector<Job>& jobs) {
  std::vector<std::string> rows;
  for (const Job& job : jobs) {
    if (job.pipeline.find("_at_") != std::string::npos) continue;
    for (const KernelUse& k : job.assembly.kernels) {
      rows.push_back(fmt::format("{}\t{}\t{}\t{}\t{}", job.pipeline, k.name, job.architecture,
                                 k.registers, k.shared));
    }
  }
  std::sort(rows.begin(), rows.end());
  rows.insert(rows.begin(),
              {version_of_ptxas(), "pipeline\tkernel\tarchitecture\tregisters\tshared bytes"});
  return rows;
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void compare_with_committed(const std::vector<std::string>& table) {
  {
    std::ofstream made(LUNA_PTXAS_TABLE_MADE);
    for (const std::string& row : table) made << row << '\n';
  }
  const std::vector<std::string> committed = lines_of(LUNA_PTXAS_TABLE);
  ASSERT_FALSE(committed.empty()) << LUNA_PTXAS_TABLE;
  if (committed[0] != table[0]) {
    fmt::print("{} is of another ptxas: {}\n", LUNA_PTXAS_TABLE, committed[0]);
    return;
  }
  std::vector<std::string> changed;
  std::set_symmetric_difference(committed.begin() + 2, committed.end(), table.begin() + 2,
                                table.end(), std::back_inserter(changed));
  EXPECT_THAT(changed, ElementsAre()) << "kernels take other registers or shared memory than the "
                                         "table says; where that is meant, copy "
                                      << LUNA_PTXAS_TABLE_MADE << " over it";
}

TEST_F(Ptxas, NoKernelSpillsAndAllAreAsTheTableSays) {
  std::vector<Job> jobs = jobs_of_every_pipeline();
  ASSERT_FALSE(jobs.empty()) << "no CUDA pipeline is built";
  assemble_two_at_a_time(jobs);
  for (const Job& job : jobs) {
    for (const std::string& problem : job.assembly.problems) {
      ADD_FAILURE() << job.pipeline << " (" << job.architecture << "): " << problem;
    }
  }
  compare_with_committed(table_of(jobs));
}

TEST_F(Ptxas, ReportsRegisters) {
  const Assembly assembly = assemble(LUNA_PTXAS, greedy_kernel(), "sm_80");
  EXPECT_THAT(assembly.problems, ElementsAre());
  ASSERT_EQ(assembly.kernels.size(), 1u);
  EXPECT_EQ(assembly.kernels[0].name, "greedy");
  EXPECT_GT(assembly.kernels[0].registers, 64);
}

TEST_F(Ptxas, ReportsSpills) {
  const Assembly assembly = assemble(LUNA_PTXAS, greedy_kernel(), "sm_80", "-maxrregcount=24");
  EXPECT_GT(assembly.kernels.at(0).spill_stores, 0);
  EXPECT_GT(assembly.kernels.at(0).spill_loads, 0);
  EXPECT_THAT(assembly.problems, ElementsAre(HasSubstr(" bytes spill stores, ")));
}

TEST_F(Ptxas, RefusesWhatIsNoModule) {
  EXPECT_THAT(assemble(LUNA_PTXAS, "garbage\n", "sm_80").problems,
              ElementsAre(StartsWith("ptxas: ")));
  EXPECT_THAT(
      assemble(LUNA_PTXAS, ".version 7.0\n.target sm_80\n.address_size 64\n", "sm_80").problems,
      ElementsAre("no kernel in the module"));
}

TEST_F(Ptxas, RefusesAFunctionWithoutABody) {
  const std::string head = ".version 7.0\n.target sm_80\n.address_size 64\n";
  const std::string body =
      ".visible .entry k()\n{\n.reg .f32 %f;\n.param .b32 r;\n"
      "call.uni (r), erf_f32, ();\nret;\n}\n";
  const std::string ptx = head + ".extern .func (.param .b32 r) erf_f32\n()\n;\n" + body;
  EXPECT_THAT(assemble(LUNA_PTXAS, ptx, "sm_80").problems, Contains("erf_f32 has no body"));
}

TEST(PtxModules, AreTheTextsInsideAnArchive) {
  const TemporaryFolder folder;
  const std::string module = "//\n// Generated by LLVM NVPTX Back-End\n";
  const std::string bytes = std::string("\177ELF\0..", 7) + module + "a" + '\0' + "..\n" + module;
  EXPECT_THAT(ptx_modules(folder.write("x.a", bytes)), ElementsAre(module + "a", module));
  EXPECT_THAT(ptx_modules(folder.write("y.a", "//\n// something else\n")), ElementsAre());
  EXPECT_THAT(ptx_modules(folder.write("z.ptx", "//\n// nvcc\n")), ElementsAre("//\n// nvcc\n"));
}

}  // namespace
}  // namespace luna::autotune
