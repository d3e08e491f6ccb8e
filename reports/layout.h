// Which cells a tier has: those that its plan names and those whose folders are there.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace luna::reports {

/// What is planned or present: experiments in order, each with its cells in order, each with its
/// seeds.
struct Layout {
  std::vector<std::string> experiments;
  std::map<std::string, std::vector<std::string>> cells;
  std::map<std::pair<std::string, std::string>, std::set<int64_t>> seeds;

  void add(const std::string& experiment, const std::string& cell, int64_t seed);
};

/// Adds what plan.json names, in its order. Throws json::exception where it is no plan.
void add_planned(const nlohmann::json& plan, Layout& layout);

/// Adds the cells that have folders in the tier's folder.
void add_present(const std::filesystem::path& folder, Layout& layout);

}  // namespace luna::reports
