#include "experiments/runner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "experiments/runner/experiment_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kUnknownSeconds = 60;  // where a configuration says nothing

std::vector<std::string> keys(const json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) names.push_back(item.key());
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// All tiers, `tier` among them.
json read_tiers(const fs::path& tiers_file, const std::string& tier) {
  json tiers = read_toml(tiers_file);
  if (!tiers.contains(tier)) throw UsageError(unknown_name("tier", tier, keys(tiers)));
  return tiers;
}

/// Of all tiers.
std::vector<std::string> experiment_names(const fs::path& tiers_file) {
  std::vector<std::string> names;
  for (const auto& [name, tiers] : experiment_tiers(tiers_file)) names.push_back(name);
  return names;
}

/// The table of `tier`, one of `tiers`, in learning_rates.json.
json read_rates(const fs::path& tiers_file, const json& tiers, const std::string& tier) {
  const fs::path path = learning_rates_file(tiers_file);
  if (fs::is_directory(path)) {
    throw UsageError(fmt::format("{}: a folder, not a JSON file", path.string()));
  }
  std::ifstream file(path);
  if (!file) return json::object();
  const json all = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) {
    throw UsageError(
        fmt::format("{} is damaged; delete it, `luna tune` writes it anew", path.string()));
  }
  const std::string name = path.filename().string();
  check_keys(all, name, "tier", keys(tiers));
  const json chosen = OptionReader(all, name).table(tier);
  check_keys(chosen, name + "." + tier, "experiment", experiment_names(tiers_file));
  return chosen;
}

/// chosen: the tier's table in learning_rates.json.
void apply_rates(const json& chosen, const std::string& tier, Experiment& experiment) {
  const std::string tier_table = "learning_rates.json." + tier;
  const std::string where = tier_table + "." + experiment.name;
  const json mine = OptionReader(chosen, tier_table).table(experiment.name);
  for (const std::string& attention : keys(mine)) check_attention(attention, where);
  OptionReader reader(mine, where);
  for (const std::string& attention : experiment.attentions) {
    const json entry = reader.table(attention);
    check_keys(entry, where + "." + attention, "key", {"chosen", "grid", "seed", "steps"});
    if (!entry.empty()) experiment.searches[attention] = entry;
    if (entry.contains("chosen")) {
      OptionReader found(entry, where + "." + attention);
      experiment.rates[attention] = found.real("chosen", 0, 0, kMostRate);
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
    if (!experiment.searches.empty()) list.back()["learning_rates"] = experiment.searches;
  }
  return {{"experiments", list}};
}

fs::path learning_rates_file(const fs::path& tiers_file) {
  return tiers_file.parent_path() / "learning_rates.json";
}

Tier read_tier(const fs::path& tiers_file, const std::string& tier) {
  const json tiers = read_tiers(tiers_file, tier);
  OptionReader reader(tiers, tiers_file.filename().string());
  const json chosen = read_rates(tiers_file, tiers, tier);
  Tier result{tier, {}};
  const std::vector<std::string> names = reader.texts(tier, {});
  check_list(names, tiers_file.filename().string() + "." + tier);
  for (const std::string& name : names) {
    result.experiments.push_back(
        read_experiment(tiers_file.parent_path() / (name + ".toml"), name, tier));
    apply_rates(chosen, tier, result.experiments.back());
  }
  return result;
}

void check_tier(const fs::path& tiers_file, const std::string& tier) {
  if (fs::exists(tiers_file)) read_tiers(tiers_file, tier);
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
