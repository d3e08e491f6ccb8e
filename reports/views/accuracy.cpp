#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reports/knowledge.h"
#include "reports/statistics.h"
#include "reports/views/format.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using kainjow::mustache::object;

std::set<int64_t> seeds_of(const std::vector<const Run*>& runs) {
  std::set<int64_t> seeds;
  for (const Run* run : runs) seeds.insert(run->seed);
  return seeds;
}

std::string state_word(const Run& run) {
  switch (run.state) {
    case RunState::kDone:
      return percent(run.test_accuracy);
    case RunState::kPartial:
      return "unfinished";
    case RunState::kFailed:
      return "failed";
    case RunState::kDamaged:
      return "damaged";
    case RunState::kMissing:
      break;
  }
  return "not run";
}

View score_columns(const CellSummary& cell, const std::set<int64_t>& seeds) {
  View columns(View::type::list);
  for (const int64_t seed : seeds) {
    const auto it = std::find_if(cell.runs.begin(), cell.runs.end(),
                                 [&](const Run* run) { return run->seed == seed; });
    columns << View(object{{"score", it == cell.runs.end() ? kNone : state_word(**it)}});
  }
  return columns;
}

View same_score(const std::string& score, size_t count) {
  View columns(View::type::list);
  for (size_t i = 0; i < count; ++i) columns << View(object{{"score", score}});
  return columns;
}

std::string verdict_word(const CellSummary& cell, const Controls& controls) {
  if (cell.cell == "mean") return "control";
  const size_t seeds = cell.runs.size();
  switch (learns_with_attention(cell, controls)) {
    case Verdict::kYes:
      return seeds == 1 ? "yes (1 seed)" : fmt::format("yes, all {} seeds", seeds);
    case Verdict::kSomeSeeds:
      return "in some seeds only";
    case Verdict::kNo:
      return "no";
    case Verdict::kUnknown:
      break;
  }
  return "not known";
}

std::string paper_cell(const std::string& attention, const std::string& column) {
  const auto value = paper_table().cell(attention, column);
  return value ? fmt::format("{:.2f}", *value) : kNone;
}

std::string parameters_of(const CellSummary& cell) {
  for (const Run* run : cell.runs) {
    if (run->parameters) return grouped(*run->parameters);
  }
  return kNone;
}

std::string spread(const CellSummary& cell) {
  return cell.scores.size() < 2 ? kNone : fmt::format("{:.1f}", 100 * (cell.highest - cell.lowest));
}

std::string duration(const CellSummary& cell) {
  double sum = 0;
  int64_t count = 0;
  for (const Run* run : cell.runs) {
    if (run->seconds) sum += *run->seconds, ++count;
  }
  return count == 0 ? kNone : fmt::format("{:.0f}", sum / static_cast<double>(count));
}

View rows_of(const std::vector<CellSummary>& cells, const std::set<int64_t>& seeds,
             const Controls& controls, const ExperimentText& text) {
  View rows(View::type::list);
  for (const CellSummary& cell : cells) {
    rows << View(
        object{{"cell", cell.cell == "mean" ? "mean (control: uniform attention)" : cell.cell},
               {"cell_parameters", parameters_of(cell)},
               {"scores", score_columns(cell, seeds)},
               {"score_mean", percent(cell.mean)},
               {"score_spread", spread(cell)},
               {"cell_seconds", duration(cell)},
               {"verdict", verdict_word(cell, controls)},
               {"paper_cell", paper_cell(cell.cell, text.paper_column)}});
  }
  const std::string majority = percent(controls.majority_class);
  rows << View(object{{"cell", "majority class (control)"},
                      {"cell_parameters", kNone},
                      {"scores", same_score(majority, seeds.size())},
                      {"score_mean", majority},
                      {"score_spread", kNone},
                      {"cell_seconds", kNone},
                      {"verdict", "control"},
                      {"paper_cell", kNone}});
  return rows;
}

View notes_of(const std::vector<const Run*>& runs) {
  View notes(View::type::list);
  for (const Run* run : runs) {
    if (run->state == RunState::kDone) continue;
    notes << View(object{
        {"note",
         fmt::format("{} seed {}: {}", run->cell, run->seed,
                     run->state == RunState::kFailed ? "failed: " + run->note : run->note)}});
  }
  return notes;
}

std::string seeds_note(size_t seeds) {
  return seeds == 1
             ? "One seed: the spread between seeds is not known, so small differences say nothing."
             : fmt::format(
                   "{} seeds, every one shown; spread is the highest less the lowest, "
                   "in points.",
                   seeds);
}

std::string rule_note(const Controls& controls) {
  if (!controls.best())
    return "A control is missing, so no attention is said to learn with attention.";
  const double margin = controls.margin(*controls.best());
  if (margin == 0) {
    return fmt::format(
        "Learns with attention: above {} %, the better control. The size of the test set is "
        "not recorded, so no margin for chance is asked.",
        percent(controls.best()));
  }
  return fmt::format(
      "Learns with attention: above {} % in every seed, the better control plus {:.1f} points (two "
      "standard "
      "errors of a difference on {} test examples).",
      percent(*controls.best() + margin), 100 * margin, grouped(*controls.test_examples));
}

object experiment_view(const std::string& experiment, const Results& results) {
  const ExperimentText text = experiment_text(experiment);
  const auto runs = results.of(experiment);
  const auto cells = summarize(runs);
  const auto seeds = seeds_of(runs);
  const Controls controls = controls_of(cells);
  View heads(View::type::list);
  for (const int64_t seed : seeds) heads << View(object{{"seed", std::to_string(seed)}});
  const auto protocol = text.protocol.find(results.tier);
  const View notes = notes_of(runs);
  return {{"experiment", experiment},
          {"experiment_title", text.title},
          {"what", text.what},
          {"unit", text.unit},
          {"stand_in", text.stand_in.empty() ? View(false) : View(text.stand_in)},
          {"has_paper", !text.paper_column.empty()},
          {"protocol", protocol == text.protocol.end() ? View(false) : View(protocol->second)},
          {"seed_heads", heads},
          {"rows", rows_of(cells, seeds, controls, text)},
          {"has_notes", !notes.is_empty_list()},
          {"notes", notes},
          {"seeds_note", seeds_note(seeds.size())},
          {"rule_note", rule_note(controls)}};
}

std::string names(const std::vector<std::string>& list) {
  return list.empty() ? "none" : fmt::format("{}", fmt::join(list, ", "));
}

}  // namespace

View accuracy_view(const Results& results) {
  View list(View::type::list);
  for (const std::string& experiment : results.experiments) {
    list << View(experiment_view(experiment, results));
  }
  return list;
}

View verdict_view(const Results& results) {
  View list(View::type::list);
  for (const std::string& experiment : results.experiments) {
    const auto cells = summarize(results.of(experiment));
    const Controls controls = controls_of(cells);
    std::vector<std::string> yes, some, no, unknown;
    for (const CellSummary& cell : cells) {
      if (cell.cell == "mean") continue;
      switch (learns_with_attention(cell, controls)) {
        case Verdict::kYes:
          yes.push_back(cell.cell);
          break;
        case Verdict::kSomeSeeds:
          some.push_back(cell.cell);
          break;
        case Verdict::kNo:
          no.push_back(cell.cell);
          break;
        case Verdict::kUnknown:
          unknown.push_back(cell.cell);
          break;
      }
    }
    list << View(object{{"verdict_title", experiment_text(experiment).title},
                        {"above", names(yes)},
                        {"above_some", some.empty() ? View(false) : View(names(some))},
                        {"not_above", names(no)},
                        {"undecided", unknown.empty() ? View(false) : View(names(unknown))}});
  }
  return list;
}

View paper_view() {
  const PaperTable paper = paper_table();
  View heads(View::type::list), rows(View::type::list);
  for (const std::string& column : paper.columns) heads << View(object{{"column", column}});
  for (const PaperRow& row : paper.rows) {
    View values(View::type::list);
    for (const double value : row.values)
      values << View(object{{"value", fmt::format("{:.2f}", value)}});
    rows << View(object{{"model", row.model}, {"values", values}, {"source", row.source}});
  }
  return object{{"paper_title", paper.title}, {"columns", heads}, {"paper_rows", rows}};
}

}  // namespace luna::reports
