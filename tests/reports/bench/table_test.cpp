// The printed table of made rows.
#include "reports/bench/table.h"

#include <gtest/gtest.h>

#include "tests/reports/bench/made_rows.h"

namespace luna::reports {
namespace {

/// Three operators at two sizes: SDPA is quicker at N 64, slower at 256.
std::vector<BenchRow> made_rows() {
  std::vector<BenchRow> rows;
  for (const int64_t N : {int64_t{256}, int64_t{64}}) {
    rows.push_back(made_row("elu", "fused", N, 1e-3, 1));
    rows.push_back(made_row("eager_elu", "eager", N, 4e-3, 1));
    rows.push_back(made_row("plain_elu", "eager", N, 3e-3, 1));
    rows.push_back(made_row("sdpa_flash", "sdpa", N, N == 64 ? 0.5e-3 : 2e-3, 1));
  }
  rows[0].roofline_s = 0.25e-3;
  rows[0].peak_bytes = 256 * 1234;
  return rows;
}

std::string table_of(const std::vector<BenchRow>& rows) {
  return bench_table({made_environment(), rows, {"x/N:9: too slow"}});
}

void expect_line(const std::string& text, const std::string& line) {
  EXPECT_NE(text.find("\n" + line + "\n"), std::string::npos) << line << "\nnot in\n" << text;
}

TEST(Table, HasARowAnOperatorWithItsRatios) {
  const std::string text = table_of(made_rows());
  expect_line(text, "### B 1, H 2, d 4, not causal, forward, 1 thread");
  expect_line(
      text,
      "| 256 | elu label | 1,953 | 1,953 | 1,953 to 1,953 | 0.0 | 3.00x | 2.00x | 25.0 | 1,234 |");
  expect_line(text,
              "| 64 | elu label | 7,813 | 7,813 | 7,813 to 7,813 | 0.0 | 3.00x | 0.50x | – | – |");
  EXPECT_LT(text.find("| 64 | elu"), text.find("| 256 | elu"));
  expect_line(text, "- x/N:9: too slow");
}

TEST(Table, SaysFromWhichNTheFusedOperatorIsFaster) {
  const std::string sizes = "| B 1, H 2, d 4, not causal, forward, 1 thread | elu label | ";
  std::vector<BenchRow> rows = made_rows();
  expect_line(table_of(rows), sizes + "256 | 64 | – | – |");
  rows[7].samples = {2e-3};  // SDPA at 64: slower, too
  expect_line(table_of(rows), sizes + "64 | 64 | – | – |");
  rows[3].samples = {0.5e-3};  // and at 256 quicker: the last N decides
  expect_line(table_of(rows), sizes + "not up to 256 | 64 | – | – |");
  rows[5].samples = {0.5e-3};  // eager elu at 64: quicker
  expect_line(table_of(rows), sizes + "not up to 256 | 256 | – | – |");
}

TEST(Table, SaysFromWhichNEagerEluIsFasterThanSdpa) {
  std::vector<BenchRow> rows = made_rows();
  rows[1].samples = {1e-3};
  expect_line(
      table_of(rows),
      "| B 1, H 2, d 4, not causal, forward, 1 thread | eager_elu label | 256 | – | – | – |");
}

TEST(Table, SaysFromWhichNTheFusedOperatorIsFasterThanPythonsPeers) {
  std::vector<BenchRow> rows = made_rows();
  for (const int64_t N : {int64_t{64}, int64_t{256}}) {
    rows.push_back(made_row("compiled_elu", "compiled", N, N == 64 ? 0.5e-3 : 2e-3, 1));
    rows.push_back(made_row("fla_elu", "fla", N, 0.5e-3, 1));
    rows.push_back(made_row("compiled_relu", "compiled", N, 0.1e-3, 1));  // another map
    for (BenchRow* row : {&rows.rbegin()[1], &rows.rbegin()[2]}) row->map = "elu";
    rows.back().map = "relu";
  }
  for (BenchRow& row : rows) {
    if (row.name == "elu") row.map = "elu";
  }
  expect_line(
      table_of(rows),
      "| B 1, H 2, d 4, not causal, forward, 1 thread | elu label | 256 | 64 | 256 | not up "
      "to 256 |");
}

TEST(Table, NeedsNoPeer) {
  const std::string text = table_of({made_row("elu", "fused", 64, 1e-3, 1)});
  expect_line(text, "| 64 | elu label | 7,813 | 7,813 | 7,813 to 7,813 | 0.0 | – | – | – | – |");
  EXPECT_EQ(text.find("Faster from"), std::string::npos);
}

/// 1e9 operations take 10 ms at one thread's peak, 5 ms at two's.
TEST(Table, CountsTheShortCallsThatAreMoreArithmeticThanOverhead) {
  std::vector<BenchRow> rows;
  for (const double seconds : {9e-3, 19e-3, 21e-3}) {
    for (const int64_t threads : {1, 2}) {
      rows.push_back(made_row("elu", "fused", 64, seconds, 1));
      rows.back().threads = threads;
      rows.back().flops = 1e9;
    }
  }
  rows.push_back(rows[0]);
  rows.back().kind = "eager";
  rows.push_back(rows[0]);
  rows.back().N = 256;
  BenchFile file{made_environment(), rows, {}, {}};
  EXPECT_EQ(bench_table(file).find("N = 64"), std::string::npos) << "without a peak";
  file.ceilings = {{{"threads", 1}, {"gflops", 100}}, {{"threads", 2}, {"gflops", 200}}, 3};
  expect_line(bench_table(file),
              "N = 64: 3 of 6 calls of this library take at most 2 times their operations by the "
              "FMA peak");
}

TEST(Table, SaysWhyPsiAsATableMayBeBeyondItsRoofline) {
  const std::string note = "The roofline counts the operations of the definition";
  std::vector<BenchRow> rows = made_rows();
  EXPECT_EQ(table_of(rows).find(note), std::string::npos);
  rows.push_back(made_row("luna", "fused", 256, 1e-3, 1));
  rows.back().map = "luna";
  EXPECT_EQ(table_of(rows).find(note), std::string::npos) << "without a roofline";
  rows.back().roofline_s = 0.5e-3;
  EXPECT_NE(table_of(rows).find(note), std::string::npos);
}

TEST(Table, ComparesOneDtype) {
  std::vector<BenchRow> rows = made_rows();
  for (const BenchRow& row : made_rows()) {
    rows.push_back(row);
    rows.back().dtype = "bfloat16";
    if (row.kind == "sdpa") rows.back().samples = {4e-3};
  }
  const std::string text = table_of(rows);
  expect_line(text, "### B 1, H 2, d 4, bfloat16, not causal, forward, 1 thread");
  expect_line(text,
              "| 64 | elu label | 7,813 | 7,813 | 7,813 to 7,813 | 0.0 | 3.00x | 0.50x | – | – |");
  expect_line(text,
              "| 64 | elu label | 7,813 | 7,813 | 7,813 to 7,813 | 0.0 | 3.00x | 4.00x | – | – |");
}

/// Two N of one B N, and a decoding step of 8 sequences.
BenchFile gpu_file() {
  const nlohmann::json before = {
      {"name", "Made GPU"}, {"sm_mhz", 1980}, {"memory_mhz", 2619}, {"watts", 120.5}};
  nlohmann::json after = before;
  after["sm_mhz"] = 1700;
  BenchFile file;
  file.environment = {{"device", "cuda"}, {"cpu", "Made"}};
  file.environment["gpu"] = {{"before", before}, {"after", after}};
  file.ceilings = {{{"dtype", "bfloat16"}, {"gflops", 640000}, {"gb_s", 2900}}, {{"isa", "x"}}, 3};
  for (const int64_t N : {64, 256}) {
    file.rows.push_back(made_row("elu", "fused", N, 1.024e-3, 1));
    file.rows.push_back(made_row("sdpa_flash", "sdpa", N, N == 64 ? 0.512e-3 : 2.048e-3, 1));
    file.rows.back().B = file.rows.end()[-2].B = 256 / N;
    file.rows.end()[-2].roofline_s = 0.256e-3;
  }
  file.rows.push_back(made_row("elu", "fused", 1, 1e-3, 1));
  file.rows.back().pass = "decode";
  file.rows.back().B = 8;
  return file;
}

TEST(GpuTable, NamesTheGpuItsStateAndItsCeilings) {
  const std::string text = bench_table(gpu_file());
  EXPECT_EQ(text.rfind("## Operators on Made GPU\n", 0), 0u) << text;
  expect_line(text,
              "before: 1,980 MHz, memory 2,619 MHz, 120 W; after: 1,700 MHz, memory 2,619 MHz, "
              "120 W");
  expect_line(text, "At the most, bfloat16: 640 TFLOP/s, 2,900 GB/s");
  BenchFile bare = gpu_file();
  bare.environment = {{"device", "cuda"}, {"gpu", 3}};
  bare.ceilings = 3;
  EXPECT_EQ(bench_table(bare).rfind("## Operators on an unknown GPU\n\nbefore: – MHz", 0), 0u);
}

TEST(GpuTable, PutsSizesOfOneNumberOfTokensTogether) {
  const std::string text = bench_table(gpu_file());
  const std::string title = "B N 256, H 2, d 4, float32, not causal, forward";
  expect_line(text, "### " + title);
  expect_line(text, "### ns/token-head by N: " + title);
  expect_line(text, "| operator, at N | 64 | 256 |");
  expect_line(text, "| elu label | 2,000 | 2,000 |");
  expect_line(text, "| sdpa_flash label | 1,000 | 4,000 |");
  expect_line(text, "| roofline of elu label | 500 | 500 |");
  expect_line(text,
              "| 256 | elu label | 2,000 | 2,000 | 2,000 to 2,000 | 0.0 | – | 2.00x | 25.0 | – |");
  expect_line(text, "| " + title + " | elu label | 256 | – | – | – |");
  expect_line(text,
              "| B N 8, H 2, d 4, float32, not causal, a decoding step | elu label | 8,000 |");
}

}  // namespace
}  // namespace luna::reports
