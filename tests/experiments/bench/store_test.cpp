// The growing file of the full benchmark: rows kept, rows of something else not.
#include "experiments/bench/store.h"

#include <gtest/gtest.h>

#include "experiments/bench/full.h"
#include "tests/reports/bench/made_rows.h"
#include "tests/support/temporary_folder.h"

namespace luna::bench {
namespace {

using nlohmann::json;
using reports::made_row;
using testing::read_text;
using testing::TemporaryFolder;

json head(const std::string& library = "abc", double minutes = 1) {
  json environment = reports::made_environment();
  environment["library_sha256"] = library;
  return {{"method", "made"}, {"environment", environment}, {"options", {{"minutes", minutes}}}};
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    Store store(path(), head(), false);
    EXPECT_EQ(store.found(), Store::Found::kNothing);
    store.add(Ceilings{2, "AVX2", 100, 20});
    store.add(row_);
    store.leave_out("sdpa/N:9", "too slow");
    store.save();
  }
  std::filesystem::path path() const { return folder_.path() / "deep" / "bench.json"; }

  TemporaryFolder folder_;
  reports::BenchRow row_ = made_row("elu", "fused", 64, 1e-3);
};

TEST_F(StoreTest, GoesOnWithItsOwnFile) {
  Store store(path(), head(), false);
  EXPECT_EQ(store.found(), Store::Found::kOwn);
  EXPECT_TRUE(store.has(row_.key()));
  EXPECT_TRUE(store.has("sdpa/N:9"));
  EXPECT_FALSE(store.has(made_row("elu", "fused", 128, 1).key()));
  ASSERT_NE(store.ceilings(2), nullptr);
  EXPECT_EQ(store.ceilings(2)->gflops, 100);
  EXPECT_EQ(store.ceilings(1), nullptr);
  store.add(made_row("elu", "fused", 128, 2e-3));
  store.save();
  const reports::BenchFile file = reports::read_bench_file(path());
  ASSERT_EQ(file.rows.size(), 2u);
  EXPECT_EQ(json(file.rows[0]), json(row_));
  EXPECT_EQ(file.rows[1].N, 128);
  EXPECT_EQ(file.left_out, (std::vector<std::string>{"sdpa/N:9: too slow"}));
}

TEST_F(StoreTest, ARowTwiceIsDamage) {
  json twice = json::parse(read_text(path()));
  twice["rows"].push_back(twice["rows"][0]);
  testing::write_text(path(), twice.dump());
  const Store store(path(), head(), false);
  EXPECT_EQ(store.found(), Store::Found::kForeign);
  EXPECT_EQ(store.rows(), 0u);
}

TEST_F(StoreTest, KeepsTheLoadBeforeItsFirstRow) {
  json now = head();
  now["environment"]["load_before"] = 7.5;
  Store(path(), now, /*anew=*/true).save();
  now["environment"]["load_before"] = 1.0;
  Store(path(), now, false).save();
  EXPECT_EQ(reports::read_bench_file(path()).environment["load_before"], 7.5);
  Store(path(), now, /*anew=*/true).save();
  EXPECT_EQ(reports::read_bench_file(path()).environment["load_before"], 1.0);
}

TEST_F(StoreTest, NothingChangesBeforeItIsSaved) {
  const std::string before = read_text(path());
  Store store(path(), head("other"), false);
  store.add(made_row("elu", "fused", 128, 2e-3));
  EXPECT_EQ(read_text(path()), before);
}

TEST_F(StoreTest, TimesAnewForAnotherLibraryProcessorOrOptions) {
  json other_cpu = head();
  other_cpu["environment"]["cpu"] = "Other";
  for (const json& other : {head("def"), head("abc", 2), other_cpu}) {
    const Store store(path(), other, false);
    EXPECT_EQ(store.found(), Store::Found::kForeign);
    EXPECT_FALSE(store.has(row_.key()));
    EXPECT_EQ(store.rows(), 0u);
    EXPECT_EQ(store.ceilings(2), nullptr);
  }
}

TEST_F(StoreTest, TimesAnewWhereItIsToldOrTheFileIsDamaged) {
  EXPECT_FALSE(Store(path(), head(), /*anew=*/true).has(row_.key()));
  json damaged = json::parse(read_text(path()));
  damaged["ceilings"] = "none";
  for (const std::string& text : {damaged.dump(), std::string("{"), std::string()}) {
    testing::write_text(path(), text);
    const Store store(path(), head(), false);
    EXPECT_EQ(store.found(), Store::Found::kForeign);
    EXPECT_EQ(store.rows(), 0u);
    EXPECT_FALSE(store.has(row_.key()));
  }
}

/// A whole run at a tiny size.
class FullBench : public ::testing::Test {
 protected:
  FullBench() {
    options_.sizes = {{"tiny", 1, 1, 20, 8, 3, 2, 5}};
    options_.file = folder_.path() / "bench.json";
  }
  /// What is said.
  std::vector<std::string> run() {
    std::vector<std::string> lines;
    EXPECT_TRUE(
        run_full(options_, [&](const std::string& line) { lines.push_back(line); }).empty());
    return lines;
  }

  TemporaryFolder folder_;
  FullOptions options_;
};

/// Rows with everything in them, then nothing left to do.
TEST_F(FullBench, FillsItsFileAndGoesOn) {
  options_.filter = "^(luna|eager_elu|sdpa_math)/.*:8/forward";
  options_.minutes = 1;
  run();
  const reports::BenchFile file = reports::read_bench_file(options_.file);
  ASSERT_EQ(file.rows.size(), 6u);
  for (const reports::BenchRow& row : file.rows) {
    EXPECT_GE(row.samples.size(), 5u) << row.key();
    EXPECT_GE(row.calls, 1);
    EXPECT_GT(*row.roofline_s, 0);
    EXPECT_GE(*row.peak_bytes, 20 * 8 * 4) << row.key();  // its output
    EXPECT_EQ(row.D, row.name == "luna" ? 6 : row.name == "eager_elu" ? 8 : 0);
  }
  EXPECT_EQ(run().front(), options_.file.string() +
                               " has 6 rows of this library, processor and options: they are kept");
  const reports::BenchFile again = reports::read_bench_file(options_.file);
  EXPECT_EQ(json(again.rows), json(file.rows));
}

/// A budget that is over before it begins: a row a run.
TEST_F(FullBench, GoesOnWhereItsBudgetEnded) {
  options_.filter = "^(luna|elu)/.*/forward/";
  options_.minutes = 1e-9;
  for (size_t rows = 1; rows <= 4; ++rows) {
    const std::vector<std::string> lines = run();
    EXPECT_EQ(reports::read_bench_file(options_.file).rows.size(), rows);
    const std::string rest = "the 1e-09 minutes are over with " + std::to_string(4 - rows) +
                             " rows to go; the same command goes on";
    EXPECT_EQ(lines.back() == rest, rows < 4) << lines.back();
    EXPECT_NE(lines[rows > 1].find("and one row are made in any case"), std::string::npos);
  }
}

}  // namespace
}  // namespace luna::bench
