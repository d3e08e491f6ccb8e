// Rows through their file, and files that are none.
#include "reports/bench/rows.h"

#include <gtest/gtest.h>

#include "tests/reports/bench/made_rows.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::reports {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

TEST(Rows, ComeBackFromTheirFile) {
  BenchRow row = made_row("elu", "fused", 64, 1e-3);
  row.causal = true;
  row.calls = 7;
  row.flops = 12;
  row.peak_bytes = 34;
  const TemporaryFolder folder;
  const BenchFile file = read_bench_file(folder.write("a.json", made_file({row}).dump()));
  ASSERT_EQ(file.rows.size(), 1u);
  const BenchRow& back = file.rows[0];
  EXPECT_EQ(nlohmann::json(back), nlohmann::json(row));
  EXPECT_EQ(back.key(), "elu/B:1/H:2/N:64/d:4/causal/forward/threads:1");
  EXPECT_EQ(back.samples, row.samples);
  EXPECT_EQ(back.peak_bytes, 34);
  EXPECT_FALSE(back.roofline_s);
  EXPECT_EQ(file.environment, made_environment());
  EXPECT_EQ(file.left_out, (std::vector<std::string>{"x/N:9: too slow"}));
}

TEST(Rows, NameADtypeOtherThanFloat32) {
  BenchRow row = made_row("elu", "fused", 64, 1e-3);
  EXPECT_FALSE(nlohmann::json(row).contains("dtype"));
  row.dtype = "bfloat16";
  const BenchRow back = nlohmann::json(row).get<BenchRow>();
  EXPECT_EQ(back.dtype, "bfloat16");
  EXPECT_EQ(back.key(), "elu/bfloat16/B:1/H:2/N:64/d:4/forward/threads:1");
}

TEST(Rows, SayMinimumAndQuartiles) {
  const nlohmann::json object = made_row("elu", "fused", 64, 1, 5);
  EXPECT_DOUBLE_EQ(object["min_s"], 1);
  EXPECT_DOUBLE_EQ(object["q1_s"], 1.01);
  EXPECT_DOUBLE_EQ(object["median_s"], 1.02);
  EXPECT_DOUBLE_EQ(object["q3_s"], 1.03);
  EXPECT_DOUBLE_EQ(made_row("elu", "fused", 64, 1).token_head_ns(1), 1e9 / 128);
}

struct Damage {
  std::string name;
  std::string text;
  std::string why;
};

class DamagedFile : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedFile, IsRefusedInOneLine) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.json", GetParam().text);
  EXPECT_EQ(error_of([&] { read_bench_file(path); }),
            path.string() + ": " + GetParam().why +
                "; make it with `luna bench --full` or `make bench-peers`");
}

/// Two good rows but for one field of the second.
std::string with(const char* key, const nlohmann::json& value) {
  nlohmann::json file =
      made_file({made_row("elu", "fused", 64, 1), made_row("elu", "fused", 128, 1)});
  file["rows"][1][key] = value;
  return file.dump();
}

std::string without(const char* key) {
  nlohmann::json file = made_file({made_row("elu", "fused", 64, 1)});
  file["rows"][0].erase(key);
  return file.dump();
}

/// The file itself but for one member.
std::string with_member(const char* key, const nlohmann::json& value) {
  nlohmann::json file = made_file({});
  file[key] = value;
  return file.dump();
}

const nlohmann::json kNone = nlohmann::json::array();

INSTANTIATE_TEST_SUITE_P(
    Files, DamagedFile,
    ::testing::Values(
        Damage{"empty", "", "no JSON from byte 1 on"},
        Damage{"cut", made_file({}).dump().substr(0, 40), "no JSON from byte 41 on"},
        Damage{"nan", R"({"kind": NaN})", "no JSON from byte 10 on"},
        Damage{"huge", R"({"kind": 1e999})", "a number beyond what float64 holds"},
        Damage{"later", R"({"kind": "rows", "schema": 2})", "schema must be 1, got 2"},
        Damage{"list", "[]", "no benchmark with rows"},
        Damage{"deep", std::string(200000, '['), "nested more than 64 deep"},
        Damage{"cut_within_a_character", with("N", std::string(58, 'x') + "\u00e9"),
               "rows[1]: N must be a whole number from 1 to 2^40, got \"" + std::string(58, 'x') +
                   "\\"},
        Damage{"quick", R"({"schema": 1, "sizes": []})", "no benchmark with rows"},
        Damage{"no_samples", with("samples", kNone),
               "rows[1]: samples must be a list of seconds from 1e-15 to 1e15, got []"},
        Damage{"no_time", with("samples", {1, 0}),
               "rows[1]: samples must be a list of seconds from 1e-15 to 1e15, got "
               "[1,0]"},
        Damage{"endless_time", with("samples", {1e300}),
               "rows[1]: samples must be a list of seconds from 1e-15 to 1e15, got "
               "[1e+300]"},
        Damage{"samples_of_text", with("samples", {"1"}),
               "rows[1]: samples must be a list of seconds from 1e-15 to 1e15, got "
               "[\"1\"]"},
        Damage{"count_of_text", with("N", "64"),
               "rows[1]: N must be a whole number from 1 to 2^40, got \"64\""},
        Damage{"count_huge", with("B", 1e300),
               "rows[1]: B must be a whole number from 1 to 2^40, got 1e+300"},
        Damage{"count_unsigned", with("H", 18446744073709551615U),
               "rows[1]: H must be a whole number from 1 to 2^40, got "
               "18446744073709551615"},
        Damage{"count_zero", with("threads", 0),
               "rows[1]: threads must be a whole number from 1 to 2^40, got 0"},
        Damage{"features", with("D", -1), "rows[1]: D must be a whole number up to 2^40, got -1"},
        Damage{"name", with("operator", 3), "rows[1]: operator must be a text, got 3"},
        Damage{"label", with("label", "a|b"),
               "rows[1]: label must be a text of one line without |, got \"a|b\""},
        Damage{"lines", with("pass", "a\n# b"),
               "rows[1]: pass must be a text of one line without |, got \"a\\n# b\""},
        Damage{"dtype", with("dtype", 3), "rows[1]: dtype must be a text, got 3"},
        Damage{"flag", with("causal", 1), "rows[1]: causal must be true or false, got 1"},
        Damage{"size", with("peak_bytes", "much"),
               "rows[1]: peak_bytes must be a finite number >= 0, got \"much\""},
        Damage{"absent", without("calls"),
               "rows[0]: calls must be a whole number from 1 to 2^40, got nothing"},
        Damage{"twice", with("N", 64),
               "rows[1]: elu/B:1/H:2/N:64/d:4/forward/threads:1 stands twice"},
        Damage{"row", with_member("rows", {3}), "rows[0]: must be an object, got 3"},
        Damage{"rows", with_member("rows", "none"), "rows must be a list, got \"none\""},
        Damage{"environment", with_member("environment", 3),
               "environment must be an object, got 3"},
        Damage{"cpu", with_member("environment", {{"cpu", 3}}), "cpu must be a text, got 3"},
        Damage{"left_out", with_member("left_out", {{{"row", "x"}}}),
               "left_out[0]: reason must be a text, got nothing"},
        Damage{"no_rows", R"({"schema": 1, "kind": "rows", "environment": {}})",
               "rows must be a list, got nothing"}),
    [](const auto& info) { return info.param.name; });

TEST(Rows, FolderInPlaceOfAFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_bench_file(folder.path()); }),
            folder.path().string() +
                ": a folder, no file; make it with `luna bench --full` or `make bench-peers`");
}

TEST(Rows, AbsentFile) {
  EXPECT_EQ(error_of([] { read_bench_file("absent.json"); }),
            "absent.json: no such file; make it with `luna bench --full` or `make bench-peers`");
}

}  // namespace
}  // namespace luna::reports
