// What `luna compare` finds in made files.
#include "reports/bench/compare.h"

#include <gtest/gtest.h>

#include "tests/reports/bench/made_rows.h"

namespace luna::reports {
namespace {

BenchFile file_of(const std::vector<BenchRow>& rows) { return {made_environment(), rows, {}}; }

const BenchFile& before() {
  static const BenchFile file =
      file_of({made_row("luna", "fused", 64, 2), made_row("elu", "fused", 64, 1),
               made_row("relu", "fused", 64, 1), made_row("gone", "fused", 64, 1)});
  return file;
}

const BenchFile& after() {
  static const BenchFile file =
      file_of({made_row("luna", "fused", 64, 1), made_row("elu", "fused", 64, 1.5),
               made_row("relu", "fused", 64, 1.001), made_row("new", "fused", 64, 1)});
  return file;
}

TEST(Compare, SaysWhichRowsChanged) {
  const Comparison found = compare(before(), after());
  ASSERT_EQ(found.rows.size(), 3u);
  EXPECT_EQ(found.rows[0].change(), Change::kFaster);
  EXPECT_DOUBLE_EQ(found.rows[0].ratio(), 0.5);
  EXPECT_LT(found.rows[0].interval.low, 0.5);
  EXPECT_GT(found.rows[0].interval.high, 0.5);
  EXPECT_NEAR(found.rows[0].p, 1.5 * 2.0 / 184756, 1e-9);  // ten above ten, two of three rows
  EXPECT_EQ(found.rows[1].change(), Change::kSlower);
  EXPECT_EQ(found.rows[2].change(), Change::kNone);
  EXPECT_EQ(found.only_before,
            (std::vector<std::string>{"gone/B:1/H:2/N:64/d:4/forward/threads:1"}));
  EXPECT_EQ(found.only_after, (std::vector<std::string>{"new/B:1/H:2/N:64/d:4/forward/threads:1"}));
}

TEST(Compare, FailsOnRowsSlowerByMoreThanThat) {
  const Comparison found = compare(before(), after());
  EXPECT_TRUE(any_slower(found, 0));
  EXPECT_TRUE(any_slower(found, 49));
  EXPECT_FALSE(any_slower(found, 51));
  EXPECT_FALSE(any_slower(compare(before(), before()), 0));
}

TEST(Compare, FewSamplesAreNoEvidence) {
  const Comparison found = compare(file_of({made_row("elu", "fused", 64, 1, 3)}),
                                   file_of({made_row("elu", "fused", 64, 2, 3)}));
  EXPECT_EQ(found.rows[0].change(), Change::kNone);
}

/// The same difference stands alone and is lost among many rows that were tested too.
TEST(Compare, CorrectsForTheNumberOfRows) {
  std::vector<BenchRow> one, other;
  for (int64_t N = 1; N <= 20; ++N) {
    one.push_back(made_row("elu", "fused", N, 1, 5));
    other.push_back(made_row("elu", "fused", N, N == 1 ? 2 : 1.001, 5));
  }
  const Comparison many = compare(file_of(one), file_of(other));
  EXPECT_EQ(many.rows[0].change(), Change::kNone);
  EXPECT_EQ(too_few_samples(many), 20);
  one.resize(1);
  other.resize(1);
  const Comparison alone = compare(file_of(one), file_of(other));
  EXPECT_EQ(alone.rows[0].change(), Change::kSlower);
  EXPECT_EQ(too_few_samples(alone), 0);
}

/// Five samples a row suffice where every row is slower, however many there are.
TEST(Compare, FindsEveryRowThatIsSlower) {
  std::vector<BenchRow> one, other;
  for (int64_t N = 1; N <= 200; ++N) {
    one.push_back(made_row("elu", "fused", N, 1, 5));
    other.push_back(made_row("elu", "fused", N, 2, N <= 50 ? 20 : 5));
  }
  const Comparison found = compare(file_of(one), file_of(other));
  const std::string text = comparison_text(found);
  EXPECT_NE(text.find("\n200 rows compared: 0 faster, 200 slower, 0 without"), std::string::npos);
  EXPECT_NE(text.find("\n150 rows have too few samples to be found different by themselves "
                      "(smallest possible p above 5 % / 200 rows); time both files with more "
                      "--minutes\n"),
            std::string::npos);
}

TEST(Compare, PrintsARowALine) {
  const std::string text = comparison_text(compare(before(), after()));
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "row                                       old median   new median  new/old    95 % "
            "interval    adj. p");
  for (const char* part :
       {"luna/B:1/H:2/N:64/d:4/forward/threads:1   2090.00 ms   1045.00 ms    0.500   0.481 .. "
        "0.517"
        "   1.6e-05  faster\n",
        "  slower\n",
        "\n3 rows compared: 1 faster, 1 slower, 1 without a significant difference "
        "(Mann-Whitney, Benjamini-Hochberg, false discovery rate 5 %); 1 only in the old file, 1 "
        "only "
        "in the new one\n95 % interval: of one row by itself, not corrected for many rows as p is; "
        "it may leave out 1 where no difference is found\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in\n" << text;
  }
  EXPECT_EQ(text.find("too few samples"), std::string::npos) << text;
}

TEST(Compare, SaysHowMachinesDiffer) {
  BenchFile other = after();
  EXPECT_EQ(machine_difference(before(), other), "");
  other.environment["cpu"] = "Other";
  other.environment.erase("cores");
  EXPECT_EQ(machine_difference(before(), other),
            "cpu: \"Made\" and \"Other\"; cores: 2 and \"unknown\"");
}

}  // namespace
}  // namespace luna::reports
