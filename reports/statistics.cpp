#include "reports/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace luna::reports {

std::vector<CellSummary> summarize(const std::vector<const CellRun*>& runs) {
  std::vector<CellSummary> cells;
  for (const CellRun* run : runs) {
    auto it = std::find_if(cells.begin(), cells.end(),
                           [&](const CellSummary& cell) { return cell.cell == run->cell; });
    if (it == cells.end()) it = cells.insert(cells.end(), CellSummary{run->cell, {}, {}, {}, 0, 0});
    it->runs.push_back(run);
    if (run->state == RunState::kDone) it->scores.push_back(*run->test_accuracy);
  }
  for (CellSummary& cell : cells) {
    if (cell.scores.empty()) continue;
    const auto& s = cell.scores;
    cell.mean = std::accumulate(s.begin(), s.end(), 0.0) / static_cast<double>(s.size());
    cell.lowest = *std::min_element(s.begin(), s.end());
    cell.highest = *std::max_element(s.begin(), s.end());
  }
  return cells;
}

std::optional<double> Controls::best() const {
  if (!majority_class || !uniform) return std::nullopt;
  return std::max(*majority_class, *uniform);
}

double Controls::margin(double accuracy) const {
  if (!test_examples || *test_examples <= 0) return 0;
  return 2 * std::sqrt(2 * accuracy * (1 - accuracy) / static_cast<double>(*test_examples));
}

Controls controls_of(const std::vector<CellSummary>& cells) {
  Controls controls;
  for (const CellSummary& cell : cells) {
    for (const CellRun* run : cell.runs) {
      if (!controls.majority_class) controls.majority_class = run->majority_class;
      if (!controls.test_examples) controls.test_examples = run->test_examples;
    }
    if (cell.cell == "mean" && cell.mean) controls.uniform = cell.highest;
  }
  return controls;
}

std::optional<int64_t> seeds_above(const CellSummary& cell, const Controls& controls) {
  const auto bar = controls.best();
  if (!bar) return std::nullopt;
  const double threshold = *bar + controls.margin(*bar);
  return std::count_if(cell.scores.begin(), cell.scores.end(),
                       [&](double score) { return score > threshold; });
}

Verdict learns_with_attention(const CellSummary& cell, const Controls& controls) {
  if (cell.cell == "mean") return Verdict::kNo;
  const auto above = seeds_above(cell, controls);
  if (!above || cell.scores.empty()) return Verdict::kUnknown;
  if (*above == static_cast<int64_t>(cell.runs.size())) return Verdict::kYes;
  if (*above > 0) return Verdict::kSomeSeeds;
  return cell.complete() ? Verdict::kNo : Verdict::kUnknown;
}

}  // namespace luna::reports
