// Sections of the report as data for the templates: each function turns results into a mustache
// object with the names that templates/report.*.mustache use. Called by report.cpp.
#pragma once

#include <kainjow/mustache.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reports/figures/figure.h"
#include "reports/results.h"

namespace luna::reports {

using View = kainjow::mustache::data;

/// Accuracy table, controls and verdicts of every experiment, and the drawn figures of their
/// learning rates, by experiment.
View accuracy_view(const Results& results, const std::map<std::string, View>& rate_figures);
/// Validation accuracy against learning rate, one line an attention; empty where the results do
/// not hold how the rates were chosen.
std::optional<Figure> rate_figure(const std::string& experiment, const Results& results);
/// Plain LUNA's worst rate beside luna-eps at that rate. Empty but for the experiment where plain
/// LUNA then lies furthest below luna-eps.
std::optional<std::string> rate_sentence(const std::string& experiment, const Results& results);
/// One sentence per experiment: which attentions are above both controls.
View verdict_view(const Results& results);
/// The paper's table with the source of every row.
View paper_view();
/// Smallest denominator, dead features and gradient norm of every cell.
View health_view(const Results& results);
/// Tables of bench.json; false when there is none or it cannot be used.
View throughput_view(const Results& results);
/// env.json over all cells, and as "timing.*" that of bench.json: one row per key. Values that
/// differ between cells are all named.
View environment_view(const Results& results);
/// Where the data of each experiment came from.
View data_view(const Results& results);

/// Every figure that the results allow: training curves, learned psi, LUNA's collapse and cure.
std::vector<Figure> pictures(const Results& results);

}  // namespace luna::reports
