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

std::set<int64_t> seeds_of(const std::vector<const CellRun*>& runs) {
  std::set<int64_t> seeds;
  for (const CellRun* run : runs) seeds.insert(run->seed);
  return seeds;
}

std::string state_word(const CellRun& run) {
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
                                 [&](const CellRun* run) { return run->seed == seed; });
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
  const int64_t above = seeds_above(cell, controls).value_or(0);
  const std::string seeds =
      fmt::format("{} of {} seed{}", above, cell.runs.size(), cell.runs.size() == 1 ? "" : "s");
  switch (learns_with_attention(cell, controls)) {
    case Verdict::kYes:
      return "yes, " + seeds;
    case Verdict::kSomeSeeds:
      return "only in " + seeds;
    case Verdict::kNo:
      return "no, " + seeds;
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
  for (const CellRun* run : cell.runs) {
    if (run->parameters) return grouped(*run->parameters);
  }
  return kNone;
}

/// The highest rate of the schedule, as the metrics recorded it.
std::string learning_rate(const CellSummary& cell) {
  double highest = 0;
  for (const CellRun* run : cell.runs) {
    for (const MetricRow& row : run->metrics) {
      highest = std::max(highest, row.learning_rate.value_or(0));
    }
  }
  return highest > 0 ? fmt::format("{:.2g}", highest) : kNone;
}

std::string spread(const CellSummary& cell) {
  return cell.scores.size() < 2 ? kNone : fmt::format("{:.1f}", 100 * (cell.highest - cell.lowest));
}

std::string duration(const CellSummary& cell) {
  double sum = 0;
  int64_t count = 0;
  for (const CellRun* run : cell.runs) {
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
               {"cell_rate", learning_rate(cell)},
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
                      {"cell_rate", kNone},
                      {"scores", same_score(majority, seeds.size())},
                      {"score_mean", majority},
                      {"score_spread", kNone},
                      {"cell_seconds", kNone},
                      {"verdict", "control"},
                      {"paper_cell", kNone}});
  return rows;
}

View notes_of(const std::vector<const CellRun*>& runs) {
  View notes(View::type::list);
  for (const CellRun* run : runs) {
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

/// The protocol's words with the steps that finished cells took.
View protocol_of(const ExperimentText& text, const std::string& tier,
                 const std::vector<const CellRun*>& runs) {
  const auto found = text.protocol.find(tier);
  if (found == text.protocol.end()) return View(false);
  std::set<int64_t> steps;
  for (const CellRun* run : runs) {
    if (run->steps) steps.insert(*run->steps);
  }
  std::vector<std::string> counts;
  for (const int64_t count : steps) counts.push_back(grouped(count));
  const std::string shown =
      counts.empty() ? "as many" : fmt::format("{}", fmt::join(counts, " or "));
  std::string words = found->second;
  const std::string place = "{steps}";
  const size_t at = words.find(place);
  if (at != std::string::npos) words.replace(at, place.size(), shown);
  return View(words);
}

object experiment_view(const std::string& experiment, const Results& results,
                       const std::map<std::string, View>& rate_figures) {
  const ExperimentText text = experiment_text(experiment);
  const auto runs = results.of(experiment);
  const auto cells = summarize(runs);
  const auto seeds = seeds_of(runs);
  const Controls controls = controls_of(cells);
  View heads(View::type::list);
  for (const int64_t seed : seeds) heads << View(object{{"seed", std::to_string(seed)}});
  const auto rates = rate_figures.find(experiment);
  const auto sentence = rate_sentence(experiment, results);
  const View notes = notes_of(runs);
  return {{"experiment", experiment},
          {"experiment_title", text.title},
          {"what", text.what},
          {"unit", text.unit},
          {"stand_in", text.stand_in.empty() ? View(false) : View(text.stand_in)},
          {"has_paper", !text.paper_column.empty()},
          {"protocol", protocol_of(text, results.tier, runs)},
          {"seed_heads", heads},
          {"rows", rows_of(cells, seeds, controls, text)},
          {"rate_figure", rates == rate_figures.end() ? View(false) : rates->second},
          {"rate_sentence", sentence ? View(*sentence) : View(false)},
          {"has_notes", !notes.is_empty_list()},
          {"notes", notes},
          {"seeds_note", seeds_note(seeds.size())},
          {"rule_note", rule_note(controls)}};
}

}  // namespace

View accuracy_view(const Results& results, const std::map<std::string, View>& rate_figures) {
  View list(View::type::list);
  for (const std::string& experiment : results.experiments) {
    list << View(experiment_view(experiment, results, rate_figures));
  }
  return list;
}

}  // namespace luna::reports
