// The report as a whole, against a golden page. After a wanted change of the template, write it
// anew:
//   LUNA_UPDATE_GOLDEN=1 build/tests/reports/reports_test
//   --gtest_filter=ReportTest.MatchesGoldenPage
#include "reports/report.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>
#include <set>

#include "reports/figures/figure.h"
#include "tests/reports/made_results.h"
#include "tests/support/error_of.h"

namespace luna::reports {
namespace {

using luna::testing::error_of;
using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using luna::testing::write_cell;
using luna::testing::write_text;

class ReportTest : public ::testing::Test {
 protected:
  ReportOutcome write() { return write_report({results(), "quick", folder_.path() / "out"}); }
  std::filesystem::path results() const { return folder_.path() / "results"; }
  TemporaryFolder folder_;
};

TEST_F(ReportTest, MatchesGoldenPage) {
  luna::testing::write_tier(results());
  const ReportOutcome outcome = write();
  EXPECT_TRUE(outcome.problems.empty()) << outcome.problems.front();
  const std::filesystem::path golden = std::filesystem::path(LUNA_GOLDEN) / "report.md";
  if (std::getenv("LUNA_UPDATE_GOLDEN")) write_text(golden, read_text(outcome.markdown));
  EXPECT_EQ(read_text(outcome.markdown), read_text(golden));
}

TEST_F(ReportTest, SameFilesGiveSameBytes) {
  luna::testing::write_tier(results());
  const std::string first = read_text(write().html);
  EXPECT_EQ(first, read_text(write().html));
}

TEST_F(ReportTest, HtmlIsSelfContained) {
  luna::testing::write_tier(results());
  const std::string html = read_text(write().html);
  for (const std::string forbidden : {"<script", "<img", "<link", "src=", "url(http", "@import"}) {
    EXPECT_EQ(html.find(forbidden), std::string::npos) << forbidden;
  }
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_EQ(html.find("<?xml"), std::string::npos);
}

TEST_F(ReportTest, IdsOfInlineFiguresAreUnique) {
  luna::testing::write_tier(results());
  const std::string html = read_text(write().html);
  std::set<std::string> seen;
  const std::regex id(R"(\sid=["']([^"']+))");
  for (std::sregex_iterator it(html.begin(), html.end(), id), end; it != end; ++it) {
    EXPECT_TRUE(seen.insert((*it)[1]).second) << (*it)[1];
  }
  EXPECT_FALSE(seen.empty());
}

TEST_F(ReportTest, NamesCannotInjectMarkup) {
  const std::string evil = "<script>alert(1)<&|`x`";
  write_cell(results(), "recall", evil, 0, 0.5);
  const ReportOutcome outcome = write();
  EXPECT_EQ(read_text(outcome.html).find("<script"), std::string::npos);
  EXPECT_NE(read_text(outcome.html).find("&lt;script&gt;alert(1)"), std::string::npos);
  const std::string markdown = read_text(outcome.markdown);
  EXPECT_EQ(markdown.find("<script"), std::string::npos);
  EXPECT_NE(markdown.find("| &lt;script&gt;alert(1)&lt;&amp;\\|\\`x\\` |"), std::string::npos);
}

TEST_F(ReportTest, MissingAndFailedCellsAreShown) {
  luna::testing::write_tier(results());
  write_text(
      results() / "quick" / "plan.json",
      R"({"experiments": [{"name": "recall", "attentions": ["luna-separate"], "seeds": [0]}]})");
  const auto cell = results() / "quick" / "image" / "luna" / "seed_0";
  std::filesystem::remove(cell / "DONE");
  write_text(cell / "FAILED", R"({"reason": "loss is nan at step 7"})");
  const ReportOutcome outcome = write();
  EXPECT_EQ(outcome.planned, outcome.done + 2);
  const std::string markdown = read_text(outcome.markdown);
  EXPECT_NE(markdown.find("luna seed 0: failed: loss is nan at step 7"), std::string::npos);
  EXPECT_NE(markdown.find("luna-separate seed 0: not run"), std::string::npos);
}

TEST_F(ReportTest, WithADamagedPlanItIsNotSaidToBeComplete) {
  write_cell(results(), "recall", "elu", 0, 0.5);
  EXPECT_EQ(write().cells(), "1 of 1 cells");
  EXPECT_TRUE(write().usable());
  write_text(results() / "quick" / "plan.json", "{");
  const ReportOutcome outcome = write();
  EXPECT_FALSE(outcome.usable());
  EXPECT_EQ(outcome.cells(), "1 cells of an unknown number");
  const std::string markdown = read_text(outcome.markdown);
  EXPECT_NE(markdown.find("\n1 cells of an unknown number finished."), std::string::npos);
  EXPECT_NE(markdown.find("makes it again"), std::string::npos);
}

TEST_F(ReportTest, WithoutLearningRatesNothingIsSaidOfThem) {
  luna::testing::write_tier(results());
  std::filesystem::remove(results() / "quick" / "plan.json");
  const ReportOutcome outcome = write();
  EXPECT_TRUE(outcome.problems.empty());
  const std::string markdown = read_text(outcome.markdown);
  EXPECT_EQ(markdown.find("rates-"), std::string::npos);
  EXPECT_EQ(markdown.find("At a learning rate"), std::string::npos);
}

TEST_F(ReportTest, StandInIsNamedWithItsNumbers) {
  write_cell(results(), "image", "softmax", 0, 0.78);
  const std::string markdown = read_text(write().markdown);
  EXPECT_NE(markdown.find("Fashion-MNIST, a stand-in for LRA's grey CIFAR-10"), std::string::npos);
  EXPECT_NE(markdown.find("- Image (Fashion-MNIST as stand-in): above both"), std::string::npos);
}

TEST_F(ReportTest, NothingUsableIsSaid) {
  write_text(results() / "quick" / "recall" / "elu" / "seed_0" / "DONE", "garbage");
  const ReportOutcome outcome = write();
  EXPECT_FALSE(outcome.usable());
  EXPECT_NE(read_text(outcome.markdown).find("DONE: not a JSON object"), std::string::npos);
}

TEST_F(ReportTest, ABenchmarkOfAnotherShapeIsDamaged) {
  write_cell(results(), "recall", "elu", 0, 0.5);
  write_text(results() / "quick" / "bench.json", R"({"rows": 3})");
  EXPECT_EQ(write().problems,
            std::vector<std::string>{"quick/bench.json: no benchmark (damaged); remove it and run "
                                     "`luna bench --tier quick`"});
}

TEST_F(ReportTest, AnEmptyFolderDoesNotReplaceAReport) {
  write_cell(results(), "recall", "elu", 0, 0.5);
  const std::string page = read_text(write().markdown);
  std::filesystem::remove_all(results() / "quick");
  std::filesystem::create_directories(results() / "quick");
  EXPECT_THROW(write(), std::runtime_error);
  EXPECT_EQ(read_text(folder_.path() / "out" / "report.md"), page);
}

TEST_F(ReportTest, ErrorsNameTheCure) {
  EXPECT_NE(error_of([&] { write(); }).find("run `make reproduce TIER=quick` first."),
            std::string::npos);
  write_cell(results(), "recall", "elu", 0, 0.5);
  write_text(folder_.path() / "out", "a file where the folder should be");
  EXPECT_NE(error_of([&] { write(); }).find("Pass --out with a writable folder."),
            std::string::npos);
}

TEST(Figures, AMissingValueNeverBreaksAPlot) {
  TemporaryFolder folder;
  Figure figure{"odd", "", {{"it's <odd>", "x", "y", true, {}, {}, {{"#000000", 1, {}}}, {}}}, {}};
  EXPECT_NE(draw(figure, folder.path()).find("</svg>"), std::string::npos);
  figure.panels[0].log_x = {1e-3, 4e-3};
  EXPECT_NE(draw(figure, folder.path()).find("</svg>"), std::string::npos);
}

}  // namespace
}  // namespace luna::reports
