// How the learning rates were chosen: the figure, and what it shows of plain LUNA.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reports/knowledge.h"
#include "reports/views/format.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

constexpr int kSolid = 1;

const std::vector<RateSearch>& searches_of(const std::string& experiment, const Results& results) {
  static const std::vector<RateSearch> none;
  const auto found = results.searches.find(experiment);
  return found == results.searches.end() ? none : found->second;
}

/// "seed 100" or "seed 100, 101", where attentions differ; "seed not recorded".
std::string recorded(const char* what, const std::vector<RateSearch>& searches,
                     std::optional<int64_t> RateSearch::*field) {
  std::set<int64_t> values;
  for (const RateSearch& search : searches) {
    if (search.*field) values.insert(*(search.*field));
  }
  std::vector<std::string> texts;
  for (const int64_t value : values) texts.push_back(grouped(value));
  return fmt::format("{} {}", what,
                     texts.empty() ? "not recorded" : fmt::format("{}", fmt::join(texts, ", ")));
}

/// Names what has no point in the figure.
std::string failures(const std::vector<RateSearch>& searches) {
  std::vector<std::string> failed;
  for (const RateSearch& search : searches) {
    for (const RateTrial& trial : search.trials) {
      if (!trial.accuracy) failed.push_back(fmt::format("{} at {}", search.cell, trial.rate));
    }
  }
  return failed.empty() ? ""
                        : fmt::format(" Failed, so without a point: {}.", fmt::join(failed, ", "));
}

Panel rate_panel(const std::vector<RateSearch>& searches) {
  Panel panel;
  panel.title = "Choice of the learning rate";
  panel.x_label = "learning rate";
  panel.y_label = "validation accuracy, percent";
  panel.y_min = 0;
  panel.y_max = 100;
  std::set<double> rates;
  for (const RateSearch& search : searches) {
    Series series{color_of(search.cell), kSolid, {}};
    for (const RateTrial& trial : search.trials) {
      rates.insert(trial.rate);
      if (trial.accuracy) series.points.emplace_back(trial.rate, 100 * *trial.accuracy);
    }
    panel.series.push_back(std::move(series));
  }
  panel.log_x.assign(rates.begin(), rates.end());
  return panel;
}

const RateSearch* search_of(const std::string& cell, const std::vector<RateSearch>& searches) {
  const auto found = std::find_if(searches.begin(), searches.end(),
                                  [&](const RateSearch& search) { return search.cell == cell; });
  return found == searches.end() ? nullptr : &*found;
}

/// Plain LUNA at its worst rate, and luna-eps at the same one.
struct Fall {
  double rate = 0, luna = 0, luna_eps = 0;
  double depth() const { return luna_eps - luna; }
};

/// Empty unless both attentions have an accuracy at plain LUNA's worst rate.
std::optional<Fall> fall_of(const std::vector<RateSearch>& searches) {
  const RateSearch* luna = search_of("luna", searches);
  const RateSearch* luna_eps = search_of("luna-eps", searches);
  if (!luna || !luna_eps) return std::nullopt;
  const RateTrial* worst = nullptr;
  for (const RateTrial& trial : luna->trials) {
    if (trial.accuracy && (!worst || *trial.accuracy < *worst->accuracy)) worst = &trial;
  }
  if (!worst) return std::nullopt;
  for (const RateTrial& trial : luna_eps->trials) {
    if (trial.accuracy && trial.rate == worst->rate) {
      return Fall{worst->rate, *worst->accuracy, *trial.accuracy};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Figure> rate_figure(const std::string& experiment, const Results& results) {
  const auto& searches = searches_of(experiment, results);
  if (searches.empty()) return std::nullopt;
  std::vector<LegendEntry> legend;
  for (const RateSearch& search : searches) {
    legend.push_back({search.cell, color_of(search.cell), kSolid});
  }
  return Figure{
      "rates-" + experiment,
      fmt::format("{}: validation accuracy against learning rate ({}; {}). Chosen for each "
                  "attention: the rate with its highest accuracy.{}",
                  experiment_text(experiment).title, recorded("seed", searches, &RateSearch::seed),
                  recorded("steps", searches, &RateSearch::steps), failures(searches)),
      {rate_panel(searches)},
      std::move(legend)};
}

std::optional<std::string> rate_sentence(const std::string& experiment, const Results& results) {
  const auto fall = fall_of(searches_of(experiment, results));
  if (!fall || fall->depth() <= 0) return std::nullopt;
  for (const std::string& other : results.experiments) {
    const auto theirs = fall_of(searches_of(other, results));
    if (theirs && theirs->depth() > fall->depth()) return std::nullopt;
  }
  return fmt::format(
      "At a learning rate of {} plain luna reached {} %, luna-eps {} % (one seed, validation).",
      fall->rate, percent(fall->luna), percent(fall->luna_eps));
}

}  // namespace luna::reports
