#include "reports/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <kainjow/mustache.hpp>
#include <map>
#include <optional>
#include <stdexcept>

#include "reports/embedded.h"
#include "reports/knowledge.h"
#include "reports/results.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

namespace fs = std::filesystem;
using kainjow::mustache::mustache;
using kainjow::mustache::object;

/// Text in a Markdown table cell: no cell border, no HTML, no markup, no line break.
std::string escape_markdown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '\r':
      case '\n':
        out += ' ';
        break;
      case '|':
      case '*':
      case '`':
      case '[':
      case ']':
      case '\\':
        out += '\\';
        [[fallthrough]];
      default:
        out += c;
    }
  }
  return out;
}

/// Sections that are absent leave their blank lines behind: at most one stays.
std::string squeezed(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool third = c == '\n' && out.size() >= 2 && out.compare(out.size() - 2, 2, "\n\n") == 0;
    if (!third) out += c;
  }
  return out;
}

void write_file(const fs::path& path, const std::string& text) {
  const fs::path temporary = path.string() + ".part";
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, path, error);
  if (!file || error) {
    fs::remove(temporary, error);
    throw std::runtime_error(fmt::format(
        "cannot write {}: no permission or disk full. Pass --out with a writable folder.",
        path.string()));
  }
}

std::string render(const char* text, const View& view, bool markdown) {
  mustache page(text);
  if (!page.is_valid()) throw std::runtime_error("report template: " + page.error_message());
  if (markdown) page.set_custom_escape(escape_markdown);
  return page.render(view);
}

View string_list(const std::vector<std::string>& lines) {
  View list(View::type::list);
  for (const std::string& line : lines) list << View(object{{"line", line}});
  return list;
}

/// Empty, and a problem, when the figure cannot be drawn.
std::optional<View> figure_view(const Figure& figure, const fs::path& folder,
                                std::vector<std::string>& problems) {
  try {
    const std::string svg = draw(figure, folder);
    return View(object{{"figure", figure.name},
                       {"caption", figure.caption},
                       {"svg", inline_svg(svg, figure.name)}});
  } catch (const std::runtime_error& error) {
    problems.push_back(fmt::format("figure {}: {}", figure.name, error.what()));
    return std::nullopt;
  }
}

struct DrawnFigures {
  View list{View::type::list};
  std::map<std::string, View> rates;  ///< by experiment
};

DrawnFigures draw_figures(const Results& results, const fs::path& folder,
                          std::vector<std::string>& problems) {
  DrawnFigures drawn;
  for (const Figure& figure : pictures(results)) {
    if (const auto view = figure_view(figure, folder, problems)) drawn.list << *view;
  }
  for (const std::string& experiment : results.experiments) {
    const auto figure = rate_figure(experiment, results);
    if (!figure) continue;
    if (const auto view = figure_view(*figure, folder, problems))
      drawn.rates.emplace(experiment, *view);
  }
  return drawn;
}

View page_view(const Results& results, const DrawnFigures& figures, const ReportOutcome& outcome) {
  const TierText tier = tier_text(results.tier);
  const View throughput = throughput_view(results), health = health_view(results);
  return object{{"tier", results.tier},
                {"cells", outcome.cells()},
                {"verdicts", verdict_view(results)},
                {"experiments", accuracy_view(results, figures.rates)},
                {"has_limits", !tier.can.empty()},
                {"can", string_list(tier.can)},
                {"cannot", string_list(tier.cannot)},
                {"paper", paper_view()},
                {"throughput", throughput},
                {"no_throughput", throughput.is_false()},
                {"figures", figures.list},
                {"health", health},
                {"environment", environment_view(results)},
                {"data", data_view(results)},
                {"has_problems", !outcome.problems.empty()},
                {"problems", string_list(outcome.problems)}};
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw std::runtime_error(fmt::format("cannot create {}: {}. Pass --out with a writable folder.",
                                         folder.string(), error.message()));
  }
}

}  // namespace

std::string ReportOutcome::cells() const {
  return plan_damaged ? fmt::format("{} cells of an unknown number", done)
                      : fmt::format("{} of {} cells", done, planned);
}

ReportOutcome write_report(const ReportOptions& options) {
  const fs::path folder = options.results / options.tier;
  Results results;
  if (fs::is_directory(folder)) results = read_results(options.results, options.tier);
  if (results.runs.empty() && !results.bench.is_object()) {
    throw std::runtime_error(fmt::format("no results in {}: run `make reproduce TIER={}` first.",
                                         folder.string(), options.tier));
  }
  make_folder(options.out / "figures");
  ReportOutcome outcome;
  outcome.markdown = options.out / "report.md";
  outcome.html = options.out / "report.html";
  outcome.problems = results.problems;
  outcome.plan_damaged = results.plan_damaged;
  outcome.planned = static_cast<int64_t>(results.runs.size());
  outcome.done = std::count_if(results.runs.begin(), results.runs.end(),
                               [](const CellRun& run) { return run.state == RunState::kDone; });
  const DrawnFigures figures = draw_figures(results, options.out / "figures", outcome.problems);
  if (results.bench.is_object() && throughput_view(results).is_false()) {
    outcome.problems.push_back(fmt::format(
        "{0}/bench.json: no benchmark (damaged); remove it and run `luna bench --tier {0}`",
        results.tier));
  }
  const View view = page_view(results, figures, outcome);
  write_file(outcome.markdown,
             squeezed(render(embedded::kMarkdownTemplate, view, /*markdown=*/true)));
  write_file(outcome.html, render(embedded::kHtmlTemplate, view, /*markdown=*/false));
  return outcome;
}

}  // namespace luna::reports
