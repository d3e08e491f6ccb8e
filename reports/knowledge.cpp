#include "reports/knowledge.h"

#include <toml++/toml.h>

#include <algorithm>

#include "reports/embedded.h"

namespace luna::reports {
namespace {

std::string text(const toml::table& table, std::string_view key) {
  return table[key].value_or(std::string());
}

template <typename T>
std::vector<T> list(const toml::table& table, std::string_view key) {
  std::vector<T> values;
  const toml::array* array = table[key].as_array();
  if (!array) return values;
  for (const toml::node& node : *array) values.push_back(node.value<T>().value());
  return values;
}

const toml::table& experiments() {
  static const toml::table table = toml::parse(embedded::kExperimentsToml);
  return table;
}

}  // namespace

std::optional<double> PaperTable::cell(const std::string& attention,
                                       const std::string& column) const {
  const auto at = std::find(columns.begin(), columns.end(), column);
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const PaperRow& candidate) {
    return !candidate.attention.empty() && candidate.attention == attention;
  });
  if (at == columns.end() || row == rows.end()) return std::nullopt;
  return row->values.at(static_cast<size_t>(at - columns.begin()));
}

PaperTable paper_table() {
  const toml::table file = toml::parse(embedded::kPaperToml);
  PaperTable paper{text(file, "title"), list<std::string>(file, "columns"), {}};
  for (const toml::node& node : *file["row"].as_array()) {
    const toml::table& row = *node.as_table();
    paper.rows.push_back({text(row, "model"), text(row, "attention"), list<double>(row, "values"),
                          text(row, "source")});
  }
  return paper;
}

ExperimentText experiment_text(const std::string& experiment) {
  const toml::table* table = experiments()[experiment].as_table();
  if (!table) return {experiment, "", "", "", "", {}};
  ExperimentText found{text(*table, "title"),    text(*table, "what"),         text(*table, "unit"),
                       text(*table, "stand_in"), text(*table, "paper_column"), {}};
  if (const toml::table* protocol = (*table)["protocol"].as_table()) {
    for (const auto& [tier, words] : *protocol) {
      found.protocol[std::string(tier.str())] = words.value_or(std::string());
    }
  }
  return found;
}

TierText tier_text(const std::string& tier) {
  const toml::table* table = experiments()["tiers"][tier].as_table();
  if (!table) return {};
  return {list<std::string>(*table, "can"), list<std::string>(*table, "cannot")};
}

}  // namespace luna::reports
