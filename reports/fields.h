// Fields of JSON objects that may be damaged: what is absent or of another type is empty. Called
// where result files are read.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

namespace luna::reports {

/// A finite number.
std::optional<double> number(const nlohmann::json& object, const char* key);
/// A number within int64, rounded.
std::optional<int64_t> integer(const nlohmann::json& object, const char* key);
/// A number in [0, 1]; anything else is no accuracy.
std::optional<double> share(const nlohmann::json& object, const char* key);
/// Any value; null when absent.
nlohmann::json member(const nlohmann::json& object, const char* key);

}  // namespace luna::reports
