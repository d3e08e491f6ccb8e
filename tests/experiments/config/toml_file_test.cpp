// TOML in, JSON out and back.
#include "experiments/config/toml_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/config/options.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::TemporaryFolder;
using luna::testing::write_text;
using nlohmann::json;

class TomlFile : public ::testing::Test {
 protected:
  json round_trip(const json& object) {
    write_text(path_, toml_text(object));
    return read_toml(path_);
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "a.toml";
};

TEST_F(TomlFile, ReadsTablesAndTypes) {
  write_text(path_,
             "seeds = [0, 1]\nname = \"x\"\n[train]\nlr = 1e-3\nclip = true\n[a.b]\nc = 1\n");
  EXPECT_EQ(read_toml(path_), json::parse(R"({"seeds": [0, 1], "name": "x",
      "train": {"lr": 0.001, "clip": true}, "a": {"b": {"c": 1}}})"));
}

TEST_F(TomlFile, KeepsEveryValueAndItsType) {
  const json object = {
      {"integer", -3},
      {"large", int64_t{1} << 40},
      {"whole", 1.0},
      {"tiny", 1e-8},
      {"huge", 1e30},
      {"third", 1.0 / 3},
      {"text", "quotes \" and \\ and\nlines"},
      {"truth", false},
      {"list", {1, 2.5, "three", true}},
      {"empty", json::array()},
      {"table", {{"inner", {{"x", 1}}}, {"none", json::object()}}},
  };
  const json back = round_trip(object);
  EXPECT_EQ(back, object);
  EXPECT_EQ(back.dump(), object.dump());  // 1.0 stays a real, 1 a whole number
}

TEST_F(TomlFile, SameObjectSameText) {
  EXPECT_EQ(toml_text({{"b", {{"y", 2}}}, {"a", 1}}), "a = 1\n\n[b]\ny = 2\n");
}

TEST_F(TomlFile, SaysWhereItIsWrong) {
  write_text(path_, "a = 1\nb = = 2\n");
  EXPECT_THAT(
      [&] { read_toml(path_); },
      ::testing::ThrowsMessage<UsageError>(
          path_.string() + ":2:5: Error while parsing value: could not determine value type"));
}

TEST_F(TomlFile, SaysThatItIsNotThere) {
  EXPECT_THAT([&] { read_toml(path_); },
              ::testing::ThrowsMessage<UsageError>(path_.string() + ": no such file"));
  EXPECT_THAT([&] { read_toml(folder_.path()); },
              ::testing::ThrowsMessage<UsageError>(folder_.path().string() +
                                                   ": a folder, not a TOML file"));
}

}  // namespace
}  // namespace luna::experiments
