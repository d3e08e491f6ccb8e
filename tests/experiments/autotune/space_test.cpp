// The space of a pipeline, and how it is named in files.
#include "experiments/autotune/space.h"

#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::autotune {
namespace {

using luna::testing::error_of;
using luna::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kText = R"([{"pipeline": "p", "generator": "g", "kind": "cpu",
  "targets": ["wide", "narrow"], "parameters": ["block=8"],
  "tune": {"vectors": [0, 2], "unroll": [1, 2, 4]}},
 {"pipeline": "p_cuda", "generator": "g", "kind": "cuda", "targets": ["gpu"], "parameters": [""],
  "compile": ["nvcc", "-ptx"], "embed": ["cmake"], "tune": {"unroll": [1]}}])";

TEST(Space, HoldsEveryCombinationTheDefaultFirst) {
  const TemporaryFolder folder;
  const auto tunables = read_tunables(folder.write("tunables.json", kText), "cpu", "");
  ASSERT_EQ(tunables.size(), 1u);
  std::vector<std::string> names;
  for (const Parameters& one : tunables[0].candidates()) names.push_back(text_of(one));
  EXPECT_THAT(names, ElementsAre("unroll=1 vectors=0", "unroll=1 vectors=2", "unroll=2 vectors=0",
                                 "unroll=2 vectors=2", "unroll=4 vectors=0", "unroll=4 vectors=2"));
  EXPECT_EQ(text_of(tunables[0].defaults()), names[0]);
  EXPECT_THAT(tunables[0].fixed, ElementsAre("block=8"));
}

TEST(Space, OfAKindAndAName) {
  const TemporaryFolder folder;
  const auto file = folder.write("tunables.json", kText);
  const auto cuda = read_tunables(file, "cuda", "");
  ASSERT_EQ(cuda.size(), 1u);
  EXPECT_THAT(cuda[0].fixed, ElementsAre());
  EXPECT_THAT(cuda[0].compile, ElementsAre("nvcc", "-ptx"));
  EXPECT_THAT(cuda[0].embed, ElementsAre("cmake"));
  EXPECT_TRUE(read_tunables(file, "cpu", "other").empty());
  const auto damaged = folder.write("damaged.json", R"([{"pipeline": "p"}])");
  EXPECT_THAT(error_of([&] { read_tunables(damaged, "cpu", ""); }),
              HasSubstr("damaged.json is damaged; configure the build again"));
}

TEST(Space, OfThisBuildHasPipelinesOfBothKinds) {
  EXPECT_FALSE(read_tunables(LUNA_TUNABLES, "cpu", "tile_product").empty());
  EXPECT_FALSE(read_tunables(LUNA_TUNABLES, "cuda", "apply_state").empty());
}

/// What generators/CMakeLists.txt says to have nothing free.
bool has_nothing_free(const std::string& pipeline) {
  static const std::regex names(
      "state_total_cuda|rows_sums_.*|rows_decode_out_cuda|quotient_grad_.*|rows_scan_f64_cuda|"
      "rows_gather_cuda|rows_scatter_cuda|psi_.*|.*_at_.*");
  return std::regex_match(pipeline, names);
}

TEST(Space, IsThatOfEveryCudaPipelineThatHasOne) {
  std::set<std::string> tunable;
  for (const Tunable& one : read_tunables(LUNA_TUNABLES, "cuda", "")) tunable.insert(one.pipeline);
  std::ifstream list(LUNA_PIPELINES);
  const std::regex entry("LUNA_PIPELINE\\((\\w+_cuda\\w*)\\)");
  int pipelines = 0;
  std::smatch match;
  for (std::string line; std::getline(list, line);) {
    if (!std::regex_search(line, match, entry)) continue;
    EXPECT_NE(tunable.count(match[1]) > 0, has_nothing_free(match[1])) << match[1];
    pipelines++;
  }
  EXPECT_GT(pipelines, 50);
}

}  // namespace
}  // namespace luna::autotune
