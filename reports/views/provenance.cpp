#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "reports/knowledge.h"
#include "reports/views/format.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using kainjow::mustache::object;
using nlohmann::json;

constexpr size_t kMaxValues = 3;  // distinct values of one key that are spelled out

std::string as_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Flattens nested objects to "a.b" keys.
void collect(const json& value, const std::string& key,
             std::map<std::string, std::set<std::string>>& into) {
  if (!value.is_object()) {
    into[key].insert(as_text(value));
    return;
  }
  for (const auto& [name, member] : value.items()) {
    collect(member, key.empty() ? name : fmt::format("{}.{}", key, name), into);
  }
}

std::string joined(const std::set<std::string>& values) {
  if (values.size() <= kMaxValues) return fmt::format("{}", fmt::join(values, "; "));
  return fmt::format("{} values, from {} to {}", values.size(), *values.begin(), *values.rbegin());
}

}  // namespace

View environment_view(const Results& results) {
  std::map<std::string, std::set<std::string>> values;
  for (const CellRun& run : results.runs) {
    if (run.environment.is_object()) collect(run.environment, "", values);
  }
  if (results.bench.is_object()) {
    const json timing = results.bench.value("environment", json());
    if (timing.is_object()) collect(timing, "timing", values);
  }
  View rows(View::type::list);
  for (const auto& [key, distinct] : values) {
    rows << View(object{{"key", key}, {"value", joined(distinct)}});
  }
  return rows;
}

View data_view(const Results& results) {
  View rows(View::type::list);
  for (const std::string& experiment : results.experiments) {
    std::map<std::string, std::set<std::string>> values;
    for (const CellRun* run : results.of(experiment)) {
      if (run->data.is_object()) collect(run->data, "", values);
    }
    const ExperimentText text = experiment_text(experiment);
    for (const auto& [key, distinct] : values) {
      rows << View(object{{"data_title", text.title}, {"key", key}, {"value", joined(distinct)}});
    }
    if (values.empty()) {
      rows << View(
          object{{"data_title", text.title}, {"key", "source"}, {"value", "not recorded"}});
    }
    if (!text.stand_in.empty()) {
      rows << View(object{{"data_title", text.title}, {"key", "note"}, {"value", text.stand_in}});
    }
  }
  return rows;
}

}  // namespace luna::reports
