#include "experiments/config/toml_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <fstream>
#include <sstream>

#include "experiments/config/options.h"

namespace luna::experiments {
namespace {

using nlohmann::json;

/// Calls put(value) with the TOML value of a number, text or truth value.
template <typename Put>
void with_scalar(const json& value, const Put& put) {
  if (value.is_boolean()) {
    put(value.get<bool>());
  } else if (value.is_number_integer()) {
    put(value.get<int64_t>());
  } else if (value.is_number()) {
    put(value.get<double>());
  } else {
    put(value.get<std::string>());
  }
}

toml::array array_of(const json& values) {
  toml::array array;
  for (const json& value : values) {
    with_scalar(value, [&](auto scalar) { array.push_back(scalar); });
  }
  return array;
}

toml::table table_of(const json& object) {
  toml::table table;
  for (const auto& item : object.items()) {
    const json& value = item.value();
    if (value.is_object()) {
      table.insert_or_assign(item.key(), table_of(value));
    } else if (value.is_array()) {
      table.insert_or_assign(item.key(), array_of(value));
    } else {
      with_scalar(value, [&](auto scalar) { table.insert_or_assign(item.key(), scalar); });
    }
  }
  return table;
}

}  // namespace

std::string toml_text(const json& object) {
  std::stringstream text;
  text << table_of(object) << '\n';
  return text.str();
}

nlohmann::json read_toml(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    throw UsageError(fmt::format("{}: a folder, not a TOML file", path.string()));
  }
  std::ifstream file(path);
  if (!file) throw UsageError(fmt::format("{}: no such file", path.string()));
  try {
    std::stringstream text;
    text << toml::json_formatter(toml::parse(file, path.string()));
    return nlohmann::json::parse(text.str());
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}:{}: {}", path.string(), error.source().begin.line,
                                 error.source().begin.column, error.description()));
  }
}

}  // namespace luna::experiments
