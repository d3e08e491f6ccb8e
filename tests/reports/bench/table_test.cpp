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
      text, "| 256 | elu label | 1,953 | 1,953 | 1,953 to 1,953 | 3.00x | 2.00x | 25.0 | 1,234 |");
  expect_line(text, "| 64 | elu label | 7,813 | 7,813 | 7,813 to 7,813 | 3.00x | 0.50x | – | – |");
  EXPECT_LT(text.find("| 64 | elu"), text.find("| 256 | elu"));
  expect_line(text, "- x/N:9: too slow");
}

TEST(Table, SaysFromWhichNTheFusedOperatorIsFaster) {
  const std::string sizes = "| B 1, H 2, d 4, not causal, forward, 1 thread | elu label | ";
  std::vector<BenchRow> rows = made_rows();
  expect_line(table_of(rows), sizes + "256 |");
  rows[7].samples = {2e-3};  // SDPA at 64: slower, too
  expect_line(table_of(rows), sizes + "64 |");
  rows[3].samples = {0.5e-3};  // and at 256 quicker: the last N decides
  expect_line(table_of(rows), sizes + "not up to 256 |");
}

TEST(Table, NeedsNoPeer) {
  const std::string text = table_of({made_row("elu", "fused", 64, 1e-3, 1)});
  expect_line(text, "| 64 | elu label | 7,813 | 7,813 | 7,813 to 7,813 | – | – | – | – |");
  EXPECT_EQ(text.find("Faster than SDPA"), std::string::npos);
}

}  // namespace
}  // namespace luna::reports
