// `luna compare` and `luna table` on made files: exit codes and the words of refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/experiments/runner/made_config.h"
#include "tests/reports/bench/made_rows.h"

namespace luna::testing {
namespace {

using reports::made_file;
using reports::made_row;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CompareCommand : public ::testing::Test {
 protected:
  std::string file(const std::string& name, double seconds, const std::string& cpu = "Made") const {
    nlohmann::json content = made_file({made_row("elu", "fused", 64, seconds)});
    content["environment"]["cpu"] = cpu;
    return folder_.write(name, content.dump()).string();
  }

  TemporaryFolder folder_;
  std::string old_ = file("old.json", 1), slower_ = file("slower.json", 1.5);
};

TEST_F(CompareCommand, PrintsAndSucceeds) {
  const Outcome outcome = run_luna({"compare", old_, slower_});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("1 rows compared: 0 faster, 1 slower"));
}

TEST_F(CompareCommand, FailsOnSlowerByMoreThanSoManyPercent) {
  EXPECT_EQ(run_luna({"compare", old_, slower_, "--fail-on-slower", "40"}).code, 1);
  EXPECT_EQ(run_luna({"compare", old_, slower_, "--fail-on-slower", "60"}).code, 0);
  EXPECT_EQ(run_luna({"compare", slower_, old_, "--fail-on-slower", "0"}).code, 0);
}

TEST_F(CompareCommand, RefusesDifferentMachines) {
  const std::string other = file("other.json", 1, "Other");
  const Outcome refused = run_luna({"compare", old_, other});
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.errors,
            "luna: the files are of different machines (cpu: \"Made\" and \"Other\"); --force "
            "compares them nevertheless\n");
  const Outcome forced = run_luna({"compare", old_, other, "--force"});
  EXPECT_EQ(forced.code, 0);
  EXPECT_THAT(forced.output, StartsWith("different machines: cpu: \"Made\" and \"Other\"\n"));
}

TEST_F(CompareCommand, NoRowInCommon) {
  const std::string none = folder_.write("none.json", made_file({}).dump()).string();
  const Outcome outcome = run_luna({"compare", old_, none, "--fail-on-slower", "5"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(outcome.errors, "luna: " + old_ + " (rows: 1) and " + none +
                                " (rows: 0) have no row in common, so there is nothing to compare; "
                                "time the same operators, sizes and threads\n");
}

TEST_F(CompareCommand, DamagedFile) {
  const std::string damaged = folder_.write("damaged.json", "{").string();
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"compare", old_, damaged}, {"table", damaged}}) {
    const Outcome outcome = run_luna(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.errors,
              "luna: " + damaged +
                  ": no JSON from byte 2 on; make it with `luna bench --full` or `make "
                  "bench-peers`\n");
  }
}

TEST_F(CompareCommand, FolderInPlaceOfAFile) {
  const std::string place = folder_.path().string();
  const Outcome outcome = run_luna({"table", place});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.errors, "luna: " + place +
                                ": a folder, no file; make it with `luna bench --full` or `make "
                                "bench-peers`\n");
}

TEST_F(CompareCommand, TablePrintsMarkdown) {
  const Outcome outcome = run_luna({"table", old_});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, StartsWith("## Operators on Made\n"));
  EXPECT_THAT(outcome.output, HasSubstr("| 64 | elu label |"));
}

/// A full benchmark of one row as its user meets it: JSON, markdown beside it, nothing done twice.
TEST_F(CompareCommand, FullBenchWritesWhatCompareAndTableRead) {
  const std::string out = (folder_.path() / "full.json").string();
  const std::vector<std::string> arguments = {
      "bench",     "--full", "--sizes", "64", "--filter",  "^(elu|sdpa_flash)/.*d:32/forward/",
      "--minutes", "1",      "--out",   out,  "--threads", "1"};
  const Outcome first = run_luna(arguments);
  EXPECT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.output, HasSubstr("| 64 | elu+1, fused (this library) |"));
  const std::string page = read_text(folder_.path() / "full.md");
  EXPECT_THAT(first.output, HasSubstr(page));
  const std::string rows = nlohmann::json::parse(read_text(out)).at("rows").dump();
  const Outcome second = run_luna(arguments);
  EXPECT_EQ(second.code, 0) << second.errors;
  EXPECT_EQ(nlohmann::json::parse(read_text(out)).at("rows").dump(), rows);
  EXPECT_THAT(run_luna({"compare", out, out}).output, HasSubstr(" 0 faster, 0 slower"));
}

TEST(BenchCommand, EnvironmentIsJson) {
  const Outcome outcome = run_luna({"bench", "--environment"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(nlohmann::json::parse(outcome.output).contains("library_sha256"));
}

}  // namespace
}  // namespace luna::testing
