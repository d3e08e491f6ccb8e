#include "experiments/autotune/space.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace luna::autotune {

using nlohmann::json;

std::string text_of(const Parameters& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  }
  return text;
}

Parameters Tunable::defaults() const {
  Parameters parameters;
  for (const auto& [name, values] : space) parameters.emplace_back(name, values.front());
  return parameters;
}

std::vector<Parameters> Tunable::candidates() const {
  std::vector<Parameters> all = {{}};
  for (const auto& [name, values] : space) {
    std::vector<Parameters> longer;
    for (const Parameters& begun : all) {
      for (const int value : values) {
        longer.push_back(begun);
        longer.back().emplace_back(name, value);
      }
    }
    all = std::move(longer);
  }
  return all;
}

std::vector<Tunable> read_tunables(const std::filesystem::path& file, const std::string& kind,
                                   const std::string& filter) {
  std::ifstream stream(file);
  const json list = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  std::vector<Tunable> tunables;
  try {
    for (const json& entry : list) {
      Tunable one{entry.at("pipeline"),
                  entry.at("generator"),
                  entry.at("kind"),
                  entry.at("targets"),
                  entry.value("compile", std::vector<std::string>()),
                  entry.value("embed", std::vector<std::string>()),
                  {},
                  {}};
      for (const std::string parameter : entry.at("parameters")) {
        if (!parameter.empty()) one.fixed.push_back(parameter);
      }
      for (const auto& [name, values] : entry.at("tune").items()) {
        one.space.emplace_back(name, values.get<std::vector<int>>());
      }
      if (one.kind == kind && one.pipeline.find(filter) != std::string::npos) {
        tunables.push_back(std::move(one));
      }
    }
  } catch (const json::exception&) {
    throw std::runtime_error(file.string() + " is damaged; configure the build again");
  }
  return tunables;
}

}  // namespace luna::autotune
