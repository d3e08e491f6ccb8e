#include "experiments/runner/experiment_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "experiments/runner/prepare.h"
#include "runtime/nn/attention.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kMost = std::numeric_limits<double>::max();

/// A table of numbers whose keys are attentions or, if given, `also`.
std::map<std::string, double> by_attention(const json& table, const std::string& where,
                                           const std::string& also = "") {
  std::map<std::string, double> values;
  OptionReader reader(table, where);
  for (const auto& item : table.items()) {
    const std::string& name = item.key();
    if (name != also) check_attention(name, where);
    values[name] = reader.real(name, 0, 0, kMost);
  }
  return values;
}

Cost read_cost(const json& table, const std::string& where) {
  OptionReader reader(table, where);
  Cost cost;
  cost.seconds = by_attention(reader.table("seconds"), where + ".seconds", "other");
  cost.cell_mb = reader.real("cell_mb", 0, 0, kMost);
  cost.data_mb = reader.real("data_mb", 0, 0, kMost);
  reader.finish();
  return cost;
}

Grid read_grid(const json& table, const std::string& where) {
  OptionReader reader(table, where);
  Grid grid;
  grid.rates = reader.reals("rates", {});
  for (const double rate : grid.rates) {
    if (rate > 0 && rate <= kMostRate) continue;
    throw UsageError(fmt::format("{}.rates holds {}; accepted: numbers above 0, up to {}", where,
                                 rate, kMostRate));
  }
  if (table.contains("rates")) check_list(grid.rates, where + ".rates");
  std::sort(grid.rates.begin(), grid.rates.end());
  grid.seed = reader.integer("seed", 0, 0, std::numeric_limits<int32_t>::max());
  reader.finish();
  return grid;
}

/// The file's tables with the tier's laid over them.
json tier_tables(const json& file, const std::string& tier, const std::string& where) {
  json tables = file;
  tables.erase("tier");
  const json tiers = file.value("tier", json::object());
  if (!tiers.is_object() || !tiers.contains(tier)) {
    throw UsageError(fmt::format("{}: no [tier.{}]; add one, it may be empty", where, tier));
  }
  tables.merge_patch(tiers.at(tier));
  return tables;
}

void check_seeds(const std::vector<int64_t>& seeds, const std::string& where) {
  constexpr int64_t kMostSeed = int64_t{1} << 31;
  check_list(seeds, where);
  for (const int64_t seed : seeds) {
    if (seed >= 0 && seed <= kMostSeed) continue;
    throw UsageError(
        fmt::format("{} holds {}; accepted: whole numbers from 0 to {}", where, seed, kMostSeed));
  }
}

/// Errors of [task], [model] and [train], with the file that they stand in.
void check_cells(const Experiment& experiment, const std::string& where) {
  check_list(experiment.attentions, where + ".attentions");
  check_seeds(experiment.seeds, where + ".seeds");
  for (const std::string& attention : experiment.attentions) {
    check_attention(attention, where + ".attentions");
  }
  try {
    OptionReader task(experiment.task, "task");
    find_task(task.text("name", "")).check(task_options(experiment.task));
    for (const std::string& attention : experiment.attentions) experiment.cell(attention, 0);
  } catch (const UsageError& error) {
    throw UsageError(where + ": " + error.what());
  }
}

}  // namespace

void check_attention(const std::string& name, const std::string& where) {
  if (nn::find_attention(name)) return;
  std::vector<std::string> known;
  for (const auto& entry : nn::attention_registry()) known.push_back(entry.name);
  throw UsageError(where + ": " + unknown_name("attention", name, known));
}

Experiment read_experiment(const fs::path& path, const std::string& name, const std::string& tier) {
  const std::string where = path.filename().string();
  OptionReader reader(tier_tables(read_toml(path), tier, where), where);
  Experiment experiment;
  experiment.name = name;
  experiment.attentions = reader.texts("attentions", {});
  experiment.seeds = reader.integers("seeds", {0});
  experiment.task = reader.table("task");
  experiment.model = reader.table("model");
  experiment.train = reader.table("train");
  experiment.rates = by_attention(reader.table("learning_rate"), where + ".learning_rate");
  experiment.grid = read_grid(reader.table("grid"), where + ".grid");
  experiment.cost = read_cost(reader.table("cost"), where + ".cost");
  reader.finish();
  check_cells(experiment, where);
  return experiment;
}

}  // namespace luna::experiments
