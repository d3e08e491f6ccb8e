// Promise: files of ListOps are whole by their manifest, or the first bad one is named.
#include "experiments/tasks/listops_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runtime/io/sha256.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::error_of;
using luna::testing::read_text;
using luna::testing::TemporaryFolder;

const auto kSilent = [](const std::string&) {};

ListOpsSet small_set() {
  ListOpsSet set;
  set.parameters.min_length = 2;
  set.parameters.max_length = 40;
  set.parameters.max_depth = 3;
  set.parameters.max_args = 4;
  set.rows = {30, 20, 10};
  return set;
}

TEST(ListOpsFiles, WrittenFilesAreWholeAndReadBack) {
  const TemporaryFolder folder;
  const ListOpsSet set = small_set();
  write_listops(folder.path(), set, kSilent);
  EXPECT_EQ(listops_damage(folder.path(), set), "");
  const auto drawn = generate_listops(set.parameters, 60);
  auto expected = drawn.begin();
  for (size_t i = 0; i < kListOpsFiles.size(); ++i) {
    const auto rows = read_listops(folder.path() / kListOpsFiles[i], 40, "cure");
    ASSERT_EQ(static_cast<int64_t>(rows.size()), set.rows[i]);
    for (const ListOpsExample& row : rows) EXPECT_EQ(row.tokens, (expected++)->tokens);
  }
}

TEST(ListOpsFiles, EveryParameterNamesAnotherFolder) {
  ListOpsSet set = small_set();
  std::string last = listops_folder(set);
  const auto changed = [&] { return std::exchange(last, listops_folder(set)) != last; };
  EXPECT_FALSE(changed());
  ++set.parameters.data_seed;
  EXPECT_TRUE(changed());
  set.parameters.p_operator += 0.125;
  EXPECT_TRUE(changed());
  set.parameters.root_operator = true;
  EXPECT_TRUE(changed());
  ++set.rows[1];
  EXPECT_TRUE(changed());
}

TEST(ListOpsFiles, DamageNamesTheFirstBadFile) {
  const TemporaryFolder folder;
  const ListOpsSet set = small_set();
  const std::string at = folder.path().string();
  EXPECT_EQ(listops_damage(folder.path(), set), "listops data is missing in " + at);
  write_listops(folder.path(), set, kSilent);

  const std::string good = read_text(folder.path() / "basic_val.tsv");
  folder.write("basic_val.tsv", good + "x");
  EXPECT_EQ(listops_damage(folder.path(), set),
            fmt::format("{}/basic_val.tsv has SHA-256 \"{}\" where \"{}\" belongs", at,
                        io::sha256(good + "x"), io::sha256(good)));
  std::filesystem::remove(folder.path() / "basic_val.tsv");
  EXPECT_EQ(listops_damage(folder.path(), set), at + "/basic_val.tsv is missing");
  folder.write("basic_val.tsv", good);
  EXPECT_EQ(listops_damage(folder.path(), set), "");

  for (const char* manifest : {"", "{", "[]", "3", "{\"files\": 3}", "{\"files\": {}}"}) {
    folder.write("manifest.json", manifest);
    EXPECT_EQ(listops_damage(folder.path(), set), at + "/manifest.json is damaged") << manifest;
  }
}

TEST(ListOpsFiles, FilesThatDidNotChangeAreNotReadAgain) {
  const TemporaryFolder folder;
  const ListOpsSet set = small_set();
  write_listops(folder.path(), set, kSilent);
  EXPECT_EQ(listops_damage_since(folder.path(), set), "");
  const auto path = folder.path() / "basic_train.tsv";
  const auto time = std::filesystem::last_write_time(path);
  const std::string good = read_text(path);
  const auto damage_of = [&](const std::string& bytes) {
    folder.write("basic_train.tsv", bytes);
    std::filesystem::last_write_time(path, time);
    return listops_damage_since(folder.path(), set);
  };
  EXPECT_EQ(damage_of(std::string(good.size(), 'x')), "") << "neither size nor time changed";
  EXPECT_NE(listops_damage(folder.path(), set), "");
  EXPECT_NE(damage_of(good.substr(0, good.size() / 2)), "");
  EXPECT_EQ(damage_of(good), "");
  std::filesystem::last_write_time(path, time + std::chrono::seconds(1));
  EXPECT_EQ(listops_damage_since(folder.path(), set), "");
  folder.write("manifest.json", "{}");
  EXPECT_NE(listops_damage_since(folder.path(), set), "");
}

TEST(ListOpsFiles, AreCheckedInFullWhereNoRecordCanBeKept) {
  const TemporaryFolder folder;
  const ListOpsSet set = small_set();
  write_listops(folder.path(), set, kSilent);
  std::filesystem::create_directory(folder.path() / "checked.json.part");
  EXPECT_EQ(listops_damage_since(folder.path(), set), "");
  std::filesystem::resize_file(folder.path() / "basic_test.tsv", 20);
  EXPECT_NE(listops_damage_since(folder.path(), set), "");
}

struct BadTable {
  std::string bytes;
  std::string what;
};

class ListOpsTableRefuses : public ::testing::TestWithParam<BadTable> {};

TEST_P(ListOpsTableRefuses, WithPlaceReasonAndCure) {
  const TemporaryFolder folder;
  const auto path = folder.write("f.tsv", GetParam().bytes);
  EXPECT_EQ(error_of([&] { read_listops(path, 6, "cure"); }),
            path.string() + GetParam().what + "; cure");
}

const std::string kHeader = "Source\tTarget\n";

INSTANTIATE_TEST_SUITE_P(
    Tables, ListOpsTableRefuses,
    ::testing::Values(
        BadTable{"", ":0: no header 'Source<TAB>Target'"},
        BadTable{"7\t7\n", ":1: no header 'Source<TAB>Target'"},
        BadTable{kHeader + "7\n", ":2: 1 tab-separated columns where 2 belong"},
        BadTable{kHeader + "7\t7\n7\t7\t7\n", ":3: 3 tab-separated columns where 2 belong"},
        BadTable{kHeader + "7\t7\r\n( ( [MIN 1", ":3: 1 tab-separated columns where 2 belong"},
        BadTable{kHeader + "7\t8\n", ":2: target '8' where the value is 7"},
        BadTable{kHeader + "( [MIN 1 )\t1\n", ":2: an operator that is not closed"},
        BadTable{kHeader + std::string(1000, '7') + "\t7\n", ":2: a line longer than 96 bytes"}));

}  // namespace
}  // namespace luna::experiments
