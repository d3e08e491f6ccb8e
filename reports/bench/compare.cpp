#include "reports/bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace luna::reports {
namespace {

constexpr double kFalseDiscoveries = 0.05;  // share of the rows said to differ, on average

using RowsByKey = std::map<std::string, const BenchRow*>;

RowsByKey by_key(const BenchFile& file) {
  RowsByKey rows;
  for (const BenchRow& row : file.rows) rows[row.key()] = &row;
  return rows;
}

const char* word(Change change) {
  return change == Change::kNone ? "" : change == Change::kFaster ? "faster" : "slower";
}

std::string duration(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.1f} us", 1e6 * seconds)
                        : fmt::format("{:.2f} ms", 1e3 * seconds);
}

int64_t count(const Comparison& comparison, Change change) {
  return std::count_if(comparison.rows.begin(), comparison.rows.end(),
                       [&](const RowChange& row) { return row.change() == change; });
}

/// What the table alone would leave to be misread, a line each.
std::string notes(const Comparison& comparison) {
  std::string text =
      "95 % interval: of one row by itself, not corrected for many rows as p is; it may leave out "
      "1 where no difference is found\n";
  if (const int64_t rows = too_few_samples(comparison); rows > 0) {
    text += fmt::format(
        "{} rows have too few samples to be found different by themselves (smallest possible p "
        "above 5 % / {} rows); time both files with more --minutes\n",
        rows, comparison.rows.size());
  }
  return text;
}

}  // namespace

Change RowChange::change() const {
  if (p > kFalseDiscoveries || after == before) return Change::kNone;
  return after < before ? Change::kFaster : Change::kSlower;
}

std::string machine_difference(const BenchFile& before, const BenchFile& after) {
  std::string text;
  for (const char* key : {"cpu", "isa", "cores", "memory_gib", "device"}) {
    const auto one = before.environment.value(key, nlohmann::json("unknown"));
    const auto other = after.environment.value(key, nlohmann::json("unknown"));
    if (one == other) continue;
    text += fmt::format("{}{}: {} and {}", text.empty() ? "" : "; ", key, one.dump(), other.dump());
  }
  return text;
}

Comparison compare(const BenchFile& before, const BenchFile& after) {
  Comparison result;
  std::vector<double> p;
  RowsByKey old = by_key(before);
  for (const BenchRow& row : after.rows) {
    const auto found = old.find(row.key());
    if (found == old.end()) {
      result.only_after.push_back(row.key());
      continue;
    }
    const std::vector<double>& samples = found->second->samples;
    p.push_back(mann_whitney(samples, row.samples));
    result.rows.push_back({row.key(), median(samples), median(row.samples),
                           ratio_interval(samples, row.samples),
                           smallest_mann_whitney(samples.size(), row.samples.size()), 1});
    old.erase(found);
  }
  for (const auto& [key, row] : old) result.only_before.push_back(key);
  const std::vector<double> adjusted = benjamini_hochberg(p);
  for (size_t i = 0; i < adjusted.size(); ++i) result.rows[i].p = adjusted[i];
  return result;
}

int64_t too_few_samples(const Comparison& comparison) {
  const double limit = kFalseDiscoveries / static_cast<double>(comparison.rows.size());
  return std::count_if(comparison.rows.begin(), comparison.rows.end(),
                       [&](const RowChange& row) { return row.least_p > limit; });
}

std::string comparison_text(const Comparison& comparison) {
  size_t width = 3;
  for (const RowChange& row : comparison.rows) width = std::max(width, row.key.size());
  std::string text = fmt::format("{:<{}}  {:>11}  {:>11}  {:>7}  {:>15}  {:>8}\n", "row", width,
                                 "old median", "new median", "new/old", "95 % interval", "adj. p");
  for (const RowChange& row : comparison.rows) {
    const std::string line =
        fmt::format("{:<{}}  {:>11}  {:>11}  {:>7.3f}  {:>15}  {:>8.2g}  {}", row.key, width,
                    duration(row.before), duration(row.after), row.ratio(),
                    fmt::format("{:.3f} .. {:.3f}", row.interval.low, row.interval.high), row.p,
                    word(row.change()));
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  text += fmt::format(
      "{} rows compared: {} faster, {} slower, {} without a significant difference (Mann-Whitney, "
      "Benjamini-Hochberg, false discovery rate 5 %)",
      comparison.rows.size(), count(comparison, Change::kFaster),
      count(comparison, Change::kSlower), count(comparison, Change::kNone));
  if (!comparison.only_before.empty() || !comparison.only_after.empty()) {
    text += fmt::format("; {} only in the old file, {} only in the new one",
                        comparison.only_before.size(), comparison.only_after.size());
  }
  return text + "\n" + notes(comparison);
}

bool any_slower(const Comparison& comparison, double percent) {
  return std::any_of(comparison.rows.begin(), comparison.rows.end(), [&](const RowChange& row) {
    return row.change() == Change::kSlower && row.ratio() > 1 + percent / 100;
  });
}

}  // namespace luna::reports
