#include "reports/fields.h"

#include <cmath>

namespace luna::reports {

using nlohmann::json;

std::optional<double> number(const json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number()) return std::nullopt;
  const double value = it->get<double>();
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

std::optional<int64_t> integer(const json& object, const char* key) {
  constexpr double kBeyond = 9.2e18;  // of int64
  const auto value = number(object, key);
  return value && std::abs(*value) < kBeyond ? std::optional<int64_t>(std::llround(*value))
                                             : std::nullopt;
}

std::optional<double> share(const json& object, const char* key) {
  const auto value = number(object, key);
  return value && *value >= 0 && *value <= 1 ? value : std::nullopt;
}

json member(const json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object.at(key) : json();
}

}  // namespace luna::reports
