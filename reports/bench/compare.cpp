#include "reports/bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace luna::reports {
namespace {

constexpr double kSignificant = 0.05;

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

}  // namespace

Change RowChange::change() const {
  if (p >= kSignificant || after == before) return Change::kNone;
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
    result.rows.push_back(
        {row.key(), median(samples), median(row.samples), ratio_interval(samples, row.samples), 1});
    old.erase(found);
  }
  for (const auto& [key, row] : old) result.only_before.push_back(key);
  const std::vector<double> adjusted = holm(p);
  for (size_t i = 0; i < adjusted.size(); ++i) result.rows[i].p = adjusted[i];
  return result;
}

std::string comparison_text(const Comparison& comparison) {
  size_t width = 3;
  for (const RowChange& row : comparison.rows) width = std::max(width, row.key.size());
  std::string text = fmt::format("{:<{}}  {:>11}  {:>11}  {:>7}  {:>15}  {:>8}\n", "row", width,
                                 "old median", "new median", "new/old", "95 % interval", "p");
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
      "Holm, 5 %)",
      comparison.rows.size(), count(comparison, Change::kFaster),
      count(comparison, Change::kSlower), count(comparison, Change::kNone));
  if (!comparison.only_before.empty() || !comparison.only_after.empty()) {
    text += fmt::format("; {} only in the old file, {} only in the new one",
                        comparison.only_before.size(), comparison.only_after.size());
  }
  return text + "\n";
}

bool any_slower(const Comparison& comparison, double percent) {
  return std::any_of(comparison.rows.begin(), comparison.rows.end(), [&](const RowChange& row) {
    return row.change() == Change::kSlower && row.ratio() > 1 + percent / 100;
  });
}

}  // namespace luna::reports
