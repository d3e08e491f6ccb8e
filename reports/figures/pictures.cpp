// The report's figures as data: which rows of metrics.jsonl and DONE become which line.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "reports/knowledge.h"
#include "reports/statistics.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using nlohmann::json;
using Points = std::vector<std::pair<double, double>>;
using Value = std::function<std::optional<double>(const MetricRow&)>;

constexpr double kSmallestDrawn = 1e-7;  // log axes: what is smaller (zero) is drawn here
const std::vector<std::string> kChannelColors = {"#000000", "#E69F00", "#56B4E9", "#009E73",
                                                 "#D55E00", "#0072B2", "#CC79A7", "#999999"};
constexpr int kSolid = 1, kDotted = 3;

Points points_of(const CellRun& run, const std::string& split, const Value& value) {
  Points points;
  for (const MetricRow& row : run.metrics) {
    const auto y = value(row);
    if (row.split == split && y) points.emplace_back(static_cast<double>(row.step), *y);
  }
  return points;
}

/// Mean of consecutive rows, at most `count` points: training losses are noisy.
Points thinned(const Points& points, size_t count) {
  const size_t group = (points.size() + count - 1) / std::max<size_t>(count, 1);
  if (group <= 1) return points;
  Points out;
  for (size_t begin = 0; begin < points.size(); begin += group) {
    const size_t end = std::min(begin + group, points.size());
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += points[i].first, y += points[i].second;
    out.emplace_back(x / static_cast<double>(end - begin), y / static_cast<double>(end - begin));
  }
  return out;
}

/// The first seed solid, later ones dashed.
int dash_of(size_t seed_index) { return static_cast<int>(seed_index) + kSolid; }

/// One entry an attention; then, where there are several seeds, what tells them apart.
std::vector<LegendEntry> legend_of(const std::vector<CellSummary>& cells) {
  std::vector<LegendEntry> legend;
  size_t most = 0;
  for (const CellSummary& cell : cells) {
    legend.push_back({cell.cell, color_of(cell.cell), kSolid});
    most = std::max(most, cell.runs.size());
  }
  for (size_t i = 0; most > 1 && i < most; ++i) {
    const auto cell = std::find_if(cells.begin(), cells.end(),
                                   [&](const CellSummary& c) { return c.runs.size() == most; });
    legend.push_back({fmt::format("seed {}", cell->runs[i]->seed), "#444444", dash_of(i)});
  }
  return legend;
}

Panel panel_of(const std::vector<CellSummary>& cells, const std::string& split, const Value& value,
               size_t most_points) {
  Panel panel;
  for (const CellSummary& cell : cells) {
    for (size_t i = 0; i < cell.runs.size(); ++i) {
      Points points = thinned(points_of(*cell.runs[i], split, value), most_points);
      if (points.empty()) continue;
      panel.series.push_back({color_of(cell.cell), dash_of(i), std::move(points)});
    }
  }
  return panel;
}

std::optional<double> accuracy_percent(const MetricRow& row) {
  return row.accuracy ? std::optional<double>(100 * *row.accuracy) : std::nullopt;
}

double last_step(const Panel& panel) {
  double last = 0;
  for (const Series& series : panel.series) last = std::max(last, series.points.back().first);
  return last;
}

Panel accuracy_panel(const std::vector<CellSummary>& cells) {
  Panel panel = panel_of(cells, "validation", accuracy_percent, 400);
  panel.title = "Validation accuracy";
  panel.x_label = "training step";
  panel.y_label = "accuracy (%)";
  panel.y_min = 0;
  panel.y_max = 100;
  return panel;
}

std::optional<Figure> training_curves(const std::string& experiment, const Results& results) {
  const auto cells = summarize(results.of(experiment));
  Panel accuracy = accuracy_panel(cells);
  if (accuracy.series.empty()) return std::nullopt;
  std::vector<LegendEntry> legend = legend_of(cells);
  if (const auto majority = controls_of(cells).majority_class) {
    const LegendEntry line{"majority class", color_of("mean"), kDotted};
    accuracy.series.push_back(
        {line.color, line.dash, {{0, 100 * *majority}, {last_step(accuracy), 100 * *majority}}});
    legend.push_back(line);
  }
  Panel loss = panel_of(
      cells, "train", [](const MetricRow& row) { return row.loss; }, 80);
  loss.title = "Training loss";
  loss.x_label = "training step";
  loss.y_label = "cross-entropy (nats)";
  const ExperimentText text = experiment_text(experiment);
  const std::string stand_in = text.stand_in.empty() ? "" : " Data: " + text.stand_in + ".";
  return Figure{
      "curves-" + experiment,
      fmt::format("{}: accuracy on the validation split and training loss over the steps (the loss "
                  "as the mean of neighbouring steps). Lines of one colour are seeds.{}",
                  text.title, stand_in),
      {std::move(accuracy), std::move(loss)},
      std::move(legend)};
}

Value floored(std::optional<double> MetricRow::*field) {
  return [field](const MetricRow& row) {
    const auto& value = row.*field;
    return value ? std::optional<double>(std::max(*value, kSmallestDrawn)) : std::nullopt;
  };
}

/// LUNA beside LUNA with feature_eps on recall: what happens to its denominators, and what cures
/// it.
std::optional<Figure> collapse(const Results& results) {
  std::vector<CellSummary> cells;
  for (CellSummary& cell : summarize(results.of("recall"))) {
    if (cell.cell == "luna" || cell.cell == "luna-eps") cells.push_back(std::move(cell));
  }
  Panel accuracy = accuracy_panel(cells);
  Panel denominator = panel_of(cells, "validation", floored(&MetricRow::min_denominator), 400);
  if (cells.size() < 2 || accuracy.series.empty() || denominator.series.empty())
    return std::nullopt;
  denominator.title = "Smallest denominator";
  denominator.x_label = "training step";
  denominator.y_label = "smallest denominator (no unit)";
  denominator.log_y = true;
  Panel gradient = panel_of(cells, "train", floored(&MetricRow::grad_norm), 1500);
  gradient.title = "Gradient norm before clipping";
  gradient.x_label = "training step";
  gradient.y_label = "gradient norm (no unit)";
  gradient.log_y = true;
  return Figure{
      "collapse",
      "Plain LUNA and LUNA with feature_eps (luna-eps) on bound associative recall: accuracy, "
      "the smallest denominator over the validation tokens, and the gradient norm. Denominators of "
      "1e-7 and less, zero among them, are drawn at 1e-7.",
      {std::move(accuracy), std::move(denominator), std::move(gradient)},
      legend_of(cells)};
}

/// One panel: every channel of psi at one layer over t.
Panel psi_panel(const json& t, const json& samples, const std::string& title) {
  Panel panel{title, "projection t = w x + b (no unit)", "psi(t) (no unit)", false, {}, {}, {}, {}};
  for (size_t channel = 0; channel < samples.at(0).size(); ++channel) {
    Series series{kChannelColors[channel % kChannelColors.size()], kSolid, {}};
    for (size_t i = 0; i < t.size(); ++i) {
      series.points.emplace_back(t.at(i).get<double>(), samples.at(i).at(channel).get<double>());
    }
    panel.series.push_back(std::move(series));
  }
  return panel;
}

std::optional<Figure> learned_psi(const CellRun& run) {
  try {
    const json& t = run.psi.at("t");
    const json& layer = run.psi.at("layers").at(0);
    Panel before = psi_panel(t, layer.at("init"), "Layer 1, before training");
    Panel after = psi_panel(t, layer.at("final"), "Layer 1, after training");
    std::vector<LegendEntry> legend;
    for (const Series& series : after.series) {
      legend.push_back({fmt::format("channel {}", legend.size() + 1), series.color, series.dash});
    }
    return Figure{fmt::format("psi-{}-{}", run.experiment, run.cell),
                  fmt::format("{}, {}, seed {}: the learned functions psi of the first layer, one "
                              "line a channel.",
                              experiment_text(run.experiment).title, run.cell, run.seed),
                  {std::move(before), std::move(after)},
                  std::move(legend)};
  } catch (const json::exception&) {
    return std::nullopt;  // a cell without psi samples
  }
}

}  // namespace

std::vector<Figure> pictures(const Results& results) {
  std::vector<Figure> figures;
  for (const std::string& experiment : results.experiments) {
    if (auto figure = training_curves(experiment, results)) figures.push_back(std::move(*figure));
  }
  if (auto figure = collapse(results)) figures.push_back(std::move(*figure));
  std::set<std::string> drawn;  // the first seed of every learned cell
  for (const CellRun& run : results.runs) {
    if (run.state != RunState::kDone || drawn.count(run.experiment + "/" + run.cell)) continue;
    if (auto figure = learned_psi(run)) {
      drawn.insert(run.experiment + "/" + run.cell);
      figures.push_back(std::move(*figure));
    }
  }
  return figures;
}

}  // namespace luna::reports
