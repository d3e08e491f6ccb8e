#include "experiments/config/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace luna::experiments {
namespace {

using nlohmann::json;

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(const std::string& name, const std::vector<std::string>& known) {
  const auto best = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return edit_distance(name, a) < edit_distance(name, b);
  });
  return best == known.end() ? "" : *best;
}

std::string unknown_name(const std::string& kind, const std::string& name,
                         const std::vector<std::string>& known) {
  if (known.empty()) return fmt::format("unknown {} '{}'; none is known", kind, name);
  return fmt::format("unknown {} '{}'; did you mean '{}'? Known: {}", kind, name,
                     nearest(name, known), fmt::join(known, ", "));
}

void check_keys(const json& object, const std::string& table, const std::string& kind,
                const std::vector<std::string>& known) {
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    throw UsageError(
        fmt::format("{}.{}: {}", table, item.key(), unknown_name(kind, item.key(), known)));
  }
}

void check_list(const json& list, const std::string& name) {
  if (list.empty()) throw UsageError(name + " is empty; name at least one");
  for (auto item = list.begin(); item != list.end(); ++item) {
    if (std::find(list.begin(), item, *item) == item) continue;
    throw UsageError(fmt::format("{} holds {} twice; name it once", name, item->dump()));
  }
}

OptionReader::OptionReader(const json& object, std::string table)
    : object_(object.is_null() ? json::object() : object), table_(std::move(table)) {
  if (!object_.is_object()) {
    throw UsageError(fmt::format("{} must be a table, not {}", table_, object_.dump()));
  }
}

const json* OptionReader::find(const std::string& key) {
  asked_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

void OptionReader::reject(const std::string& key, const std::string& expected) const {
  throw UsageError(
      fmt::format("{}.{} is {}; accepted: {}", table_, key, object_.at(key).dump(), expected));
}

int64_t OptionReader::integer(const std::string& key, int64_t otherwise, int64_t least,
                              int64_t most) {
  const json* value = find(key);
  if (!value) return otherwise;
  if (!value->is_number_integer() || *value < least || *value > most) {
    reject(key, fmt::format("a whole number from {} to {}", least, most));
  }
  return value->get<int64_t>();
}

double OptionReader::real(const std::string& key, double otherwise, double least, double most) {
  const json* value = find(key);
  if (!value) return otherwise;
  const double number = value->is_number() ? value->get<double>() : NAN;
  if (!(number >= least && number <= most)) {
    reject(key, fmt::format("a number from {} to {}", least, most));
  }
  return number;
}

bool OptionReader::boolean(const std::string& key, bool otherwise) {
  const json* value = find(key);
  if (!value) return otherwise;
  if (!value->is_boolean()) reject(key, "true or false");
  return value->get<bool>();
}

std::string OptionReader::text(const std::string& key, const std::string& otherwise) {
  const json* value = find(key);
  if (!value) return otherwise;
  if (!value->is_string()) reject(key, "a text in quotes");
  return value->get<std::string>();
}

std::string OptionReader::choice(const std::string& key, const std::string& otherwise,
                                 const std::vector<std::string>& known) {
  const std::string value = text(key, otherwise);
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    throw UsageError(fmt::format("{}.{}: {}", table_, key, unknown_name("value", value, known)));
  }
  return value;
}

template <typename T>
std::vector<T> OptionReader::list(const std::string& key, const std::vector<T>& otherwise,
                                  bool (json::*is_item)() const noexcept, const char* expected) {
  const json* value = find(key);
  if (!value) return otherwise;
  const auto fits = [&](const json& item) { return (item.*is_item)(); };
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), fits)) {
    reject(key, expected);
  }
  return value->get<std::vector<T>>();
}

std::vector<std::string> OptionReader::texts(const std::string& key,
                                             const std::vector<std::string>& otherwise) {
  return list(key, otherwise, &json::is_string, "a list of texts in quotes");
}

std::vector<int64_t> OptionReader::integers(const std::string& key,
                                            const std::vector<int64_t>& otherwise) {
  return list(key, otherwise, &json::is_number_integer, "a list of whole numbers");
}

std::vector<double> OptionReader::reals(const std::string& key,
                                        const std::vector<double>& otherwise) {
  return list(key, otherwise, &json::is_number, "a list of numbers");
}

json OptionReader::table(const std::string& key) {
  const json* value = find(key);
  if (!value) return json::object();
  if (!value->is_object()) reject(key, "a table");
  return *value;
}

void OptionReader::finish() const {
  check_keys(object_, table_, "key", {asked_.begin(), asked_.end()});
}

}  // namespace luna::experiments
