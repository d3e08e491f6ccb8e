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

std::string without_samples() {
  nlohmann::json file = made_file({made_row("elu", "fused", 64, 1)});
  file["rows"][0]["samples"] = nlohmann::json::array();
  return file.dump();
}

std::string with_sample(double sample) {
  return made_file({made_row("elu", "fused", 64, sample, 1)}).dump();
}

INSTANTIATE_TEST_SUITE_P(
    Files, DamagedFile,
    ::testing::Values(Damage{"empty", "", "no JSON"},
                      Damage{"cut", made_file({}).dump().substr(0, 40), "no JSON"},
                      Damage{"list", "[]", "no benchmark with rows"},
                      Damage{"quick", R"({"schema": 1, "sizes": []})", "no benchmark with rows"},
                      Damage{"no_samples", without_samples(),
                             "elu/B:1/H:2/N:64/d:4/forward/threads:1 has no samples"},
                      Damage{"no_time", with_sample(0),
                             "elu/B:1/H:2/N:64/d:4/forward/threads:1 has a sample that is no time"},
                      Damage{"no_rows", R"({"kind": "rows", "environment": {}})",
                             "[json.exception.out_of_range.403] key 'rows' not found"}),
    [](const auto& info) { return info.param.name; });

TEST(Rows, AbsentFile) {
  EXPECT_EQ(error_of([] { read_bench_file("absent.json"); }),
            "absent.json: no such file; make it with `luna bench --full` or `make bench-peers`");
}

}  // namespace
}  // namespace luna::reports
