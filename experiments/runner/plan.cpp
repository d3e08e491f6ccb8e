#include "experiments/runner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "runtime/nn/attention.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kMost = std::numeric_limits<double>::max();
constexpr double kUnknownSeconds = 60;  // where a configuration says nothing

std::vector<std::string> keys(const json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) names.push_back(item.key());
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_attention(const std::string& name, const std::string& where) {
  if (nn::find_attention(name)) return;
  std::vector<std::string> known;
  for (const auto& entry : nn::attention_registry()) known.push_back(entry.name);
  throw UsageError(where + ": " + unknown_name("attention", name, known));
}

/// A table of numbers whose keys are attentions or, if given, `also`.
std::map<std::string, double> by_attention(const json& table, const std::string& where,
                                           const std::string& also = "") {
  std::map<std::string, double> values;
  OptionReader reader(table, where);
  for (const std::string& name : keys(table)) {
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

/// Errors of [model] and [train], with the file that they stand in.
void check_cells(const Experiment& experiment, const std::string& where) {
  for (const std::string& attention : experiment.attentions) {
    check_attention(attention, where + ".attentions");
    try {
      experiment.cell(attention, 0);
    } catch (const UsageError& error) {
      throw UsageError(where + ": " + error.what());
    }
  }
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
  OptionReader task(experiment.task, where + ".task");
  find_task(task.text("name", ""));
  return experiment;
}

json read_rates(const fs::path& tiers_file, const std::string& tier) {
  std::ifstream file(learning_rates_file(tiers_file));
  if (!file) return json::object();
  const json all = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) {
    throw UsageError(fmt::format("{} is damaged: write it anew with `luna tune`",
                                 learning_rates_file(tiers_file).string()));
  }
  return all.value(tier, json::object());
}

void apply_rates(const json& chosen, Experiment& experiment) {
  const json mine = chosen.value(experiment.name, json::object());
  for (const std::string& attention : experiment.attentions) {
    const json entry = mine.value(attention, json::object());
    if (entry.contains("chosen")) {
      experiment.rates[attention] = entry.at("chosen").get<double>();
    } else {
      experiment.untuned.push_back(attention);
    }
  }
}

}  // namespace

double Cost::seconds_of(const std::string& attention) const {
  auto found = seconds.find(attention);
  if (found == seconds.end()) found = seconds.find("other");
  return found == seconds.end() ? kUnknownSeconds : found->second;
}

CellConfig Experiment::cell(const std::string& attention, int64_t seed) const {
  json object = {{"experiment", name}, {"cell", attention}, {"seed", seed},
                 {"task", task},       {"model", model},    {"train", train}};
  object["model"]["attention"] = attention;
  const auto rate = rates.find(attention);
  if (rate != rates.end()) object["train"]["lr"] = rate->second;
  return cell_from_json(object);
}

json Tier::plan() const {
  json list = json::array();
  for (const Experiment& experiment : experiments) {
    list.push_back({{"name", experiment.name},
                    {"attentions", experiment.attentions},
                    {"seeds", experiment.seeds}});
  }
  return {{"experiments", list}};
}

fs::path learning_rates_file(const fs::path& tiers_file) {
  return tiers_file.parent_path() / "learning_rates.json";
}

Tier read_tier(const fs::path& tiers_file, const std::string& tier) {
  const json tiers = read_toml(tiers_file);
  if (!tiers.contains(tier)) throw UsageError(unknown_name("tier", tier, keys(tiers)));
  OptionReader reader(tiers, tiers_file.filename().string());
  const json chosen = read_rates(tiers_file, tier);
  Tier result{tier, {}};
  for (const std::string& name : reader.texts(tier, {})) {
    result.experiments.push_back(
        read_experiment(tiers_file.parent_path() / (name + ".toml"), name, tier));
    apply_rates(chosen, result.experiments.back());
  }
  return result;
}

std::map<std::string, std::vector<std::string>> experiment_tiers(const fs::path& tiers_file) {
  std::map<std::string, std::vector<std::string>> found;
  const json tiers = read_toml(tiers_file);
  OptionReader reader(tiers, tiers_file.filename().string());
  for (const std::string& tier : keys(tiers)) {
    for (const std::string& name : reader.texts(tier, {})) found[name].push_back(tier);
  }
  return found;
}

Tier select(Tier tier, const std::vector<std::string>& only) {
  if (only.empty()) return tier;
  std::map<std::string, std::vector<std::string>> wanted;
  std::vector<std::string> known;
  for (const Experiment& experiment : tier.experiments) known.push_back(experiment.name);
  for (const std::string& item : only) {
    const std::string name = item.substr(0, item.find('/'));
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) throw UsageError(unknown_name("experiment", name, known));
    const Experiment& experiment = tier.experiments[static_cast<size_t>(found - known.begin())];
    if (name == item) {
      wanted[name] = experiment.attentions;
      continue;
    }
    const std::string attention = item.substr(name.size() + 1);
    if (!contains(experiment.attentions, attention)) {
      throw UsageError(name + ": " + unknown_name("attention", attention, experiment.attentions));
    }
    wanted[name].push_back(attention);
  }
  Tier kept{tier.name, {}};
  for (Experiment& experiment : tier.experiments) {
    if (wanted.count(experiment.name) == 0) continue;
    auto& attentions = experiment.attentions;
    const auto unwanted = [&](const auto& name) {
      return !contains(wanted[experiment.name], name);
    };
    attentions.erase(std::remove_if(attentions.begin(), attentions.end(), unwanted),
                     attentions.end());
    kept.experiments.push_back(std::move(experiment));
  }
  return kept;
}

}  // namespace luna::experiments
