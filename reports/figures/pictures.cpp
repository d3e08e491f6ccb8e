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
constexpr int kSolid = 1, kDashed = 2;

Points points_of(const Run& run, const std::string& split, const Value& value) {
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

/// First seed solid, later seeds dashed; the legend names seeds only where there are several.
Series series_of(const Run& run, size_t seed_index, size_t seeds, Points points) {
  const std::string label = seeds == 1 ? run.cell : fmt::format("{}, seed {}", run.cell, run.seed);
  return {label, color_of(run.cell),
          seed_index == 0 ? kSolid : kDashed + static_cast<int>(seed_index) - 1, std::move(points)};
}

Panel panel_of(const std::vector<CellSummary>& cells, const std::string& split, const Value& value,
               size_t most_points) {
  Panel panel;
  for (const CellSummary& cell : cells) {
    for (size_t i = 0; i < cell.runs.size(); ++i) {
      Points points = thinned(points_of(*cell.runs[i], split, value), most_points);
      if (!points.empty())
        panel.series.push_back(series_of(*cell.runs[i], i, cell.runs.size(), std::move(points)));
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
  const auto majority = controls_of(cells).majority_class;
  if (majority) {
    accuracy.series.push_back({"majority class",
                               "#999999",
                               3,
                               {{0, 100 * *majority}, {last_step(accuracy), 100 * *majority}}});
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
      {std::move(accuracy), std::move(loss)}};
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
  Panel gradient = panel_of(cells, "train", floored(&MetricRow::grad_norm), 120);
  gradient.title = "Gradient norm before clipping";
  gradient.x_label = "training step";
  gradient.y_label = "gradient norm (no unit)";
  gradient.log_y = true;
  return Figure{
      "collapse",
      "Plain LUNA and LUNA with feature_eps 1e-2 (luna-eps) on bound associative recall: accuracy, "
      "the smallest denominator over the validation tokens, and the gradient norm. Denominators of "
      "1e-7 and less, zero among them, are drawn at 1e-7.",
      {std::move(accuracy), std::move(denominator), std::move(gradient)}};
}

/// One panel: every channel of psi at one layer over t.
std::optional<Panel> psi_panel(const json& t, const json& samples, const std::string& title) {
  static const std::vector<std::string> palette = {"#000000", "#E69F00", "#56B4E9", "#009E73",
                                                   "#D55E00", "#0072B2", "#CC79A7", "#999999"};
  if (!samples.is_array() || samples.empty() || samples.size() != t.size()) return std::nullopt;
  Panel panel{title, "projection t = w x + b (no unit)", "psi(t) (no unit)", false, {}, {}, {}};
  const size_t channels = samples.at(0).size();
  for (size_t channel = 0; channel < channels; ++channel) {
    Series series{
        fmt::format("channel {}", channel + 1), palette[channel % palette.size()], kSolid, {}};
    for (size_t i = 0; i < t.size(); ++i) {
      series.points.emplace_back(t.at(i).get<double>(), samples.at(i).at(channel).get<double>());
    }
    panel.series.push_back(std::move(series));
  }
  return panel;
}

std::optional<Figure> learned_psi(const Run& run) {
  try {
    const json& t = run.psi.at("t");
    const json& layer = run.psi.at("layers").at(0);
    auto before = psi_panel(t, layer.at("init"), "Layer 1, before training");
    auto after = psi_panel(t, layer.at("final"), "Layer 1, after training");
    if (!before || !after) return std::nullopt;
    return Figure{
        fmt::format("psi-{}-{}", run.experiment, run.cell),
        fmt::format(
            "{}, {}, seed {}: the learned functions psi of the first layer, one line a channel.",
            experiment_text(run.experiment).title, run.cell, run.seed),
        {std::move(*before), std::move(*after)}};
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
  for (const Run& run : results.runs) {
    if (run.state != RunState::kDone || drawn.count(run.experiment + "/" + run.cell)) continue;
    if (auto figure = learned_psi(run)) {
      drawn.insert(run.experiment + "/" + run.cell);
      figures.push_back(std::move(*figure));
    }
  }
  return figures;
}

}  // namespace luna::reports
