#include <fmt/format.h>

#include "reports/knowledge.h"
#include "reports/statistics.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using kainjow::mustache::object;

std::string names(const std::vector<std::string>& list) {
  return list.empty() ? "none" : fmt::format("{}", fmt::join(list, ", "));
}

}  // namespace

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
