// The file of a full benchmark while it grows. Tested in tests/experiments/bench.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "experiments/bench/ceilings.h"
#include "reports/bench/rows.h"

namespace luna::bench {

/// Rows are kept from a file of the same library, processor and options, and with them the
/// environment that its first run began in.
class Store {
 public:
  /// head: "method", "environment" and "options" of this run. Reads the file unless `anew`.
  Store(std::filesystem::path path, nlohmann::json head, bool anew);

  enum class Found { kNothing, kOwn, kForeign };
  /// What was at the path: a foreign file is replaced by the first save().
  Found found() const { return found_; }

  /// Timed, or left out before.
  bool has(const std::string& key) const;
  void add(const reports::BenchRow& row);
  void leave_out(const std::string& key, const std::string& reason);
  void add_gate(nlohmann::json entry) { content_["gate"].push_back(std::move(entry)); }

  /// Of that number of threads, of an earlier run too; null where there are none.
  const Ceilings* ceilings(int threads) const;
  void add(const Ceilings& ceilings);

  size_t rows() const { return content_.at("rows").size(); }
  /// Replaces the file; every interruption leaves a whole one.
  void save() const;

 private:
  void empty_lists();
  void keep(const nlohmann::json& there);

  std::filesystem::path path_;
  nlohmann::json content_;
  std::set<std::string> settled_;
  std::map<int, Ceilings> ceilings_;
  Found found_ = Found::kNothing;
};

}  // namespace luna::bench
