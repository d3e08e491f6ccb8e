#include "reports/layout.h"

#include <algorithm>
#include <optional>

namespace luna::reports {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Order in which attentions are listed where no plan.json says otherwise.
const std::vector<std::string> kUsualOrder = {"softmax", "elu",      "relu",          "performer",
                                              "luna",    "luna-eps", "luna-separate", "mean"};

std::vector<std::string> subfolders(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<int64_t> seed_of(const std::string& folder) {
  const std::string prefix = "seed_";
  if (folder.rfind(prefix, 0) != 0 || folder.size() == prefix.size()) return std::nullopt;
  const std::string digits = folder.substr(prefix.size());
  if (digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoll(digits);
}

}  // namespace

void Layout::add(const std::string& experiment, const std::string& cell, int64_t seed) {
  auto append_once = [](std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  append_once(experiments, experiment);
  append_once(cells[experiment], cell);
  seeds[{experiment, cell}].insert(seed);
}

void add_planned(const json& plan, Layout& layout) {
  for (const json& experiment : plan.at("experiments")) {
    for (const json& attention : experiment.at("attentions")) {
      for (const json& seed : experiment.at("seeds")) {
        layout.add(experiment.at("name"), attention, seed);
      }
    }
  }
}

void add_present(const fs::path& folder, Layout& layout) {
  for (const std::string& experiment : subfolders(folder)) {
    std::vector<std::string> cells = subfolders(folder / experiment);
    std::stable_sort(cells.begin(), cells.end(), [](const auto& a, const auto& b) {
      auto rank = [](const auto& name) {
        return std::find(kUsualOrder.begin(), kUsualOrder.end(), name);
      };
      return rank(a) < rank(b);
    });
    for (const std::string& cell : cells) {
      for (const std::string& name : subfolders(folder / experiment / cell)) {
        if (const auto seed = seed_of(name)) layout.add(experiment, cell, *seed);
      }
    }
  }
}

}  // namespace luna::reports
