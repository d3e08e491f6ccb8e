// Promise: the ListOps task writes its files once, repairs them, and reads nothing else.
#include <gtest/gtest.h>

#include "experiments/config/options.h"
#include "experiments/tasks/listops_files.h"
#include "tests/experiments/tasks/task_checks.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::error_of;
using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using nlohmann::json;

json small_options() {
  return {{"min_length", 2},   {"max_length", 40}, {"max_depth", 3},   {"max_args", 4},
          {"p_operator", 0.5}, {"train", 40},      {"validation", 20}, {"test", 10}};
}

const json kRelease = {{"source", "release"}, {"max_length", 40}};

class ListOps : public ::testing::Test {
 protected:
  /// Lines that prepare says.
  std::vector<std::string> prepare() {
    std::vector<std::string> lines;
    entry_.prepare(small_options(), root(), [&](const std::string& s) { lines.push_back(s); });
    return lines;
  }
  std::string verify() {
    return error_of([&] { entry_.verify(small_options(), root(), [](const std::string&) {}); });
  }
  /// A command that works as it is printed.
  std::string cure() const {
    const std::string make = "luna data make --data " + root_.path().string();
    return "; run: " + make + " --task listops, or " + make +
           " --tier TIER where a tier sets its options";
  }
  DataRoot root() const { return {root_.path()}; }
  /// The one folder below the root.
  std::filesystem::path folder() const {
    return std::filesystem::directory_iterator(root_.path())->path();
  }
  std::unique_ptr<Task> make(const json& options) const { return entry_.make(options, root()); }

  TemporaryFolder root_;
  const TaskEntry& entry_ = find_task("listops");
};

TEST_F(ListOps, PreparesOnceAndRewritesDamagedFiles) {
  EXPECT_EQ(prepare().size(), 5u);
  const std::string whole = folder().string() + " is whole";
  EXPECT_EQ(prepare(), std::vector<std::string>{whole});
  EXPECT_EQ(verify(), "no error");
  for (const char* name : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv", "manifest.json"}) {
    const std::string good = read_text(folder() / name);
    root_.write(folder() / name, good.substr(0, good.size() / 2));
    EXPECT_NE(verify(), "no error");
    EXPECT_EQ(prepare().size(), 5u);
    EXPECT_EQ(read_text(folder() / name), good);
    std::filesystem::remove(folder() / name);
    EXPECT_NE(verify(), "no error");
    prepare();
    EXPECT_EQ(read_text(folder() / name), good);
  }
  EXPECT_EQ(prepare(), std::vector<std::string>{whole});
}

TEST_F(ListOps, NamesMissingAndDamagedFiles) {
  EXPECT_EQ(verify(), error_of([&] { make(small_options()); }));
  prepare();
  const std::string at = folder().string();
  std::filesystem::remove(folder() / "manifest.json");
  EXPECT_EQ(verify(), "listops data is missing in " + at + cure());
  EXPECT_EQ(error_of([&] { make(small_options()); }), "listops data is missing in " + at + cure());
  prepare();
  root_.write(folder() / "basic_val.tsv", "Source\tTarget\n7\t7\n");
  EXPECT_EQ(error_of([&] { make(small_options()); }),
            at + "/basic_val.tsv holds 1 rows where 20 belong" + cure());
  root_.write(folder() / "basic_val.tsv", "Source\tTarget\n7\t8\n");
  EXPECT_EQ(error_of([&] { make(small_options()); }),
            at + "/basic_val.tsv:2: target '8' where the value is 7" + cure());
}

TEST_F(ListOps, PureBatchesWithEitherTokenizer) {
  prepare();
  for (const char* tokenizer : {"brackets", "lra"}) {
    json options = small_options();
    options["tokenizer"] = tokenizer;
    const auto task = make(options);
    EXPECT_EQ(task->examples(Split::train), 40);
    EXPECT_EQ(task->examples(Split::validation), 20);
    EXPECT_EQ(task->examples(Split::test), 10);
    EXPECT_EQ(task->shape().length, 40);
    EXPECT_EQ(task->shape().classes, 10);
    expect_pure_batches(*task);
  }
}

TEST_F(ListOps, BatchesHoldTheExpressionsAndEndAtAMultipleOfSixteen) {
  prepare();
  const auto task = make(small_options());
  const auto rows = read_listops(folder() / "basic_val.tsv", 40, "");
  const Batch batch = task->held_out(Split::validation, 0, 20);
  size_t longest = 0;
  for (int64_t b = 0; b < 20; ++b) {
    const std::string& tokens = rows[b].tokens;
    longest = std::max(longest, tokens.size());
    EXPECT_EQ(batch.labels[b].item<int64_t>(), rows[b].label);
    for (int64_t i = 0; i < batch.ids.size(1); ++i) {
      const int64_t expected = i < static_cast<int64_t>(tokens.size()) ? tokens[i] : 0;
      EXPECT_EQ(batch.ids[b][i].item<int64_t>(), expected);
    }
  }
  EXPECT_EQ(batch.ids.size(1), static_cast<int64_t>((longest + 15) / 16 * 16));
}

TEST_F(ListOps, NamesThePlacesOfARelease) {
  const std::string at = root_.path().string();
  EXPECT_EQ(error_of([&] { make(kRelease); }),
            "the release of listops is not in " + at +
                ": none of lra_release/lra_release/listops-1000, lra_release/listops-1000, "
                "listops-1000 is there; unpack lra_release.gz under " +
                at);
}

class Release : public ListOps, public ::testing::WithParamInterface<const char*> {};

TEST_P(Release, IsRead) {
  for (const char* name : kListOpsFiles) {
    root_.write(std::filesystem::path(GetParam()) / name,
                "Source\tTarget\r\n( ( ( [MIN 4 ) 2 ) ] )\t2\r\n7\t7\r\n");
  }
  const auto task = make(kRelease);
  EXPECT_EQ(task->provenance().at("source"), (root_.path() / GetParam()).string());
  EXPECT_EQ(task->examples(Split::test), 2);
  EXPECT_TRUE(
      at::equal(task->held_out(Split::test, 0, 2).labels, at::tensor({2, 7}).to(at::kLong)));
  EXPECT_EQ(task->provenance().at("note"),
            "ListOps, the release of the Long Range Arena; brackets are tokens");
}

INSTANTIATE_TEST_SUITE_P(Places, Release,
                         ::testing::Values("lra_release/lra_release/listops-1000",
                                           "lra_release/listops-1000", "listops-1000"));

struct BadOptions {
  json options;
  std::string what;
};

class ListOpsOptions : public ::testing::TestWithParam<BadOptions> {};

TEST_P(ListOpsOptions, AreRefused) {
  EXPECT_EQ(error_of<UsageError>([] { find_task("listops").make(GetParam().options, {}); }),
            GetParam().what);
}

INSTANTIATE_TEST_SUITE_P(
    Tables, ListOpsOptions,
    ::testing::Values(
        BadOptions{{{"min_args", 5}, {"max_args", 4}},
                   "task.min_args is 5 and task.max_args 4: raise task.max_args"},
        BadOptions{{{"min_length", 2000}},
                   "task.min_length is 2000 and task.max_length 2000: no length lies between "
                   "them; raise task.max_length"}));

}  // namespace
}  // namespace luna::experiments
