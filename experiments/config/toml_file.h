// Configuration files: TOML text in, the same values as JSON out, and back. Tested in
// tests/experiments/config.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace luna::experiments {

/// The file's tables as a JSON object. Throws UsageError with file, line and column when it is not
/// there or not TOML.
nlohmann::json read_toml(const std::filesystem::path& path);

/// The object as TOML text, tables after values, keys in order. Arrays hold numbers, texts or
/// truth values.
std::string toml_text(const nlohmann::json& object);

}  // namespace luna::experiments
