// What is said of CUDA candidates without a GPU.
#include "experiments/autotune/ranking.h"

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace luna::autotune {
namespace {

using luna::testing::TemporaryFolder;
using ::testing::HasSubstr;

Tunable unrolled() {
  Tunable one;
  one.pipeline = "p_cuda";
  one.compile = {"nvcc"};
  one.space = {{"unroll", {1, 2, 4, 8}}};
  return one;
}

/// A kernel in blocks of 256 threads that holds so many numbers at once and has 4 KiB of shared
/// memory.
std::string kernel_with(int numbers) {
  std::string text =
      ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n"
      ".maxntid 256, 1, 1\n{\n.reg .b64 %a;\n.reg .f32 %f<" +
      std::to_string(numbers) +
      ">;\n.shared .b8 s[4096];\n.reg .b64 %b;\nld.param.u64 %a, [p];\nmov.u64 %b, s;\n"
      "st.volatile.u64 [%a], %b;\n";
  const auto each = [&](const char* before, const char* behind) {
    for (int i = 0; i < numbers; ++i) {
      const std::string at = "[%a+" + std::to_string(4 * i) + "]", f = "%f" + std::to_string(i);
      text += before + (*behind ? f + ", " + at : at + ", " + f) + ";\n";
    }
  };
  each("ld.volatile.global.f32 ", "load");
  each("st.volatile.global.f32 ", "");
  return text + "ret;\n}\n";
}

Assembler assembler(const char* architecture_name, const char* predict = "/no/luna_predict") {
  return {LUNA_PTXAS, architecture(architecture_name), predict};
}

class Inspected : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(LUNA_PTXAS)) GTEST_SKIP() << "no ptxas";
  }
  Candidate with(int numbers) {
    folder_.write("c.ptx", kernel_with(numbers));
    return {"c", folder_.path() / "c.so"};
  }
  const TemporaryFolder folder_;
};

TEST_F(Inspected, ByRegistersThreadsAndSharedMemory) {
  const Inspection found = inspect(assembler("sm_90"), unrolled(), with(64));
  EXPECT_EQ(found.reason, "");
  EXPECT_GT(found.use.registers, 64);
  EXPECT_LE(found.use.registers, 80);
  EXPECT_EQ(found.use.threads, 256);
  EXPECT_EQ(found.use.shared, 4096);
  EXPECT_EQ(found.occupancy.warps, 24);
  EXPECT_STREQ(found.occupancy.limited_by, "registers");
}

TEST_F(Inspected, ASpillIsTheReason) {
  const Inspection found = inspect(assembler("sm_80"), unrolled(), with(300));
  EXPECT_THAT(found.reason, HasSubstr(" bytes spill stores, "));
}

TEST_F(Inspected, OncePerArchitecture) {
  const Candidate candidate = with(64);
  const auto reason = [&](const char* architecture_name) {
    return inspect(assembler(architecture_name, "/bin/true"), unrolled(), candidate).reason;
  };
  EXPECT_EQ(reason("sm_90"), "");
  with(300);  // in its place: what is kept is of the first
  EXPECT_EQ(reason("sm_90"), "");
  EXPECT_NE(reason("sm_80"), "");
}

TEST_F(Inspected, NothingIsKeptWithoutPredictions) {
  const Candidate candidate = with(64);
  EXPECT_EQ(inspect(assembler("sm_90"), unrolled(), candidate).reason, "");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "c.json"));
}

TEST_F(Inspected, AnewWhereWhatIsKeptIsDamaged) {
  const Candidate candidate = with(64);
  for (const char* kept :
       {"", "3", "{\"architecture\": \"sm_90\"}", "{\"architecture\": \"sm_90\", \"reason\": 3}",
        "{\"architecture\": \"sm_90\", \"registers\": \"x\", \"ns\": null}"}) {
    folder_.write("c.json", kept);
    EXPECT_EQ(inspect(assembler("sm_90"), unrolled(), candidate).use.threads, 256) << kept;
  }
}

TEST_F(Inspected, ByTheThreadsOfEachKernel) {
  const std::string first = kernel_with(16);
  std::string second = first.substr(first.find(".visible"));
  second.replace(second.find("k(.param"), 1, "k2");
  second.replace(second.find("256, 1, 1"), 9, "32, 8, 3");
  folder_.write("c.ptx", first + second);
  const Inspection found = inspect(assembler("sm_90"), unrolled(), {"c", folder_.path() / "c.so"});
  EXPECT_EQ(found.reason, "");
  EXPECT_EQ(found.use.threads, 32 * 8 * 3) << "two such blocks, of 64 warps 48";
}

TEST(Ranking, NamesTheReasonsBehindThePredictions) {
  const Architecture& on = architecture("sm_80");
  const auto of = [&](int unroll, const BlockUse& use, double ns, const std::string& reason) {
    return Ranked{{{"unroll", unroll}}, {reason, use, occupancy(on, use), ns}};
  };
  const double never = std::numeric_limits<double>::infinity();
  const std::string text =
      ranking(unrolled(), on,
              {of(1, {128, 256, 1024}, 2.0, ""), of(2, {64, 256, 0}, 1.5, ""),
               of(4, {255, 256, 0}, 0.5, "spills"), of(8, {32, 32, 0}, never, "")});
  EXPECT_EQ(
      text,
      "p_cuda: PREDICTION for sm_80 from instruction counts, nothing was timed\n"
      "  unroll=2                      1.500 ns   64 registers x 256 threads, 0 bytes shared: "
      "32 of 64 warps, by registers\n"
      "  unroll=1                      2.000 ns  128 registers x 256 threads, 1024 bytes shared: "
      "16 of 64 warps, by registers  (default)\n"
      "  unroll=8                    no call      32 registers\n"
      "  unroll=4                   discarded: spills\n");
}

}  // namespace
}  // namespace luna::autotune
