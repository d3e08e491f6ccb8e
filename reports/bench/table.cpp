#include "reports/bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "reports/bench/samples.h"
#include "reports/views/format.h"

namespace luna::reports {
namespace {

using Rows = std::vector<const BenchRow*>;
using Section = std::tuple<int64_t, int64_t, int64_t, bool, std::string, int64_t>;

/// What rows of one table share: all but the operator and N.
Section section_of(const BenchRow& row) {
  return {row.B, row.H, row.d, row.causal, row.pass, row.threads};
}

std::string pass_text(const BenchRow& row) {
  if (row.pass == "decode") return "a decoding step";
  return row.pass == "forward" ? "forward" : "forward + backward";
}

std::string title(const BenchRow& row) {
  return fmt::format("B {}, H {}, d {}, {}, {}, {} thread{}", row.B, row.H, row.d,
                     row.causal ? "causal" : "not causal", pass_text(row), row.threads,
                     row.threads == 1 ? "" : "s");
}

/// Least median of the rows of that N, kind and map (any where empty); 0 without one.
double fastest(const Rows& rows, int64_t N, const std::string& kind, const std::string& map) {
  double least = 0;
  for (const BenchRow* row : rows) {
    if (row->N != N || row->kind != kind || (!map.empty() && row->map != map)) continue;
    const double seconds = median(row->samples);
    if (least == 0 || seconds < least) least = seconds;
  }
  return least;
}

std::string times_faster(double peer, double own) { return peer > 0 ? ratio(peer / own) : kNone; }

std::string nanoseconds(const BenchRow& row, double share) {
  return compact(row.token_head_ns(quantile(row.samples, share)));
}

std::string row_text(const BenchRow& row, const Rows& rows) {
  const double own = median(row.samples);
  const auto of_own = [&](const std::optional<double>& seconds) -> std::optional<double> {
    return seconds ? std::optional<double>(*seconds / own) : std::nullopt;
  };
  std::optional<double> token_bytes = row.peak_bytes;
  if (token_bytes) *token_bytes /= static_cast<double>(row.B) * static_cast<double>(row.N);
  return fmt::format("| {} | {} | {} | {} | {} to {} | {} | {} | {} | {} |\n", row.N, row.label,
                     nanoseconds(row, 0), nanoseconds(row, 0.5), nanoseconds(row, 0.25),
                     nanoseconds(row, 0.75),
                     times_faster(fastest(rows, row.N, "eager", row.map), own),
                     times_faster(fastest(rows, row.N, "sdpa", ""), own),
                     percent(of_own(row.roofline_s)), compact(token_bytes));
}

std::string section_text(Rows rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [](const BenchRow* a, const BenchRow* b) { return a->N < b->N; });
  std::string text = fmt::format(
      "\n### {}\n\n"
      "| N | operator | ns/token-head min | median | quartiles | vs eager | vs SDPA | % roofline | "
      "peak bytes/token |\n|--:|:--|--:|--:|--:|--:|--:|--:|--:|\n",
      title(*rows.front()));
  for (const BenchRow* row : rows) text += row_text(*row, rows);
  return text;
}

/// The least N from which on the operator is faster than SDPA wherever both were timed.
std::string crossover(const Rows& rows, const std::string& name) {
  std::map<int64_t, bool> faster;
  for (const BenchRow* row : rows) {
    const double sdpa = fastest(rows, row->N, "sdpa", "");
    if (row->name == name && sdpa > 0) faster[row->N] = median(row->samples) < sdpa;
  }
  if (faster.size() < 2) return "";
  const auto slow =
      std::find_if(faster.rbegin(), faster.rend(), [](const auto& entry) { return !entry.second; });
  if (slow == faster.rbegin()) return fmt::format("not up to {}", faster.rbegin()->first);
  return fmt::format("{}", slow.base()->first);
}

std::string crossovers(const std::vector<Rows>& sections) {
  std::string text;
  for (const Rows& rows : sections) {
    std::map<std::string, std::string> fused;  // name -> label
    for (const BenchRow* row : rows) {
      if (row->kind == "fused") fused[row->name] = row->label;
    }
    for (const auto& [name, label] : fused) {
      const std::string from = crossover(rows, name);
      if (!from.empty())
        text += fmt::format("| {} | {} | {} |\n", title(*rows.front()), label, from);
    }
  }
  if (text.empty()) return "";
  return "\n### Faster than SDPA from N\n\n| sizes | operator | from N |\n|:--|:--|--:|\n" + text;
}

}  // namespace

std::string bench_table(const BenchFile& file) {
  std::map<Section, Rows> by_section;
  for (const BenchRow& row : file.rows) by_section[section_of(row)].push_back(&row);
  std::vector<Rows> sections;
  for (const auto& [section, rows] : by_section) sections.push_back(rows);
  std::string text = fmt::format(
      "## Operators on {}\n", file.environment.value("cpu", std::string("an unknown processor")));
  for (const Rows& rows : sections) text += section_text(rows);
  text += crossovers(sections);
  if (!file.left_out.empty()) text += "\n### Not timed\n\n";
  for (const std::string& line : file.left_out) text += "- " + line + "\n";
  return text;
}

}  // namespace luna::reports
