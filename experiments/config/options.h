// Options as configuration files give them: a JSON object read key by key. Whatever was not read is
// an unknown key. Used by tasks, models and training; tested in tests/experiments/config.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace luna::experiments {

/// The user asked for something that does not exist or cannot be: one line with the cure, exit
/// code 2. Every other exception is a failure, exit code 1.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The name in `known` that is nearest to `name` by edit distance; empty if `known` is.
std::string nearest(const std::string& name, const std::vector<std::string>& known);

/// "unknown <kind> 'elo'; did you mean 'elu'? Known: elu, relu, ..."
std::string unknown_name(const std::string& kind, const std::string& name,
                         const std::vector<std::string>& known);

/// Throws a UsageError, naming the nearest, for a key of the table that is none of `known`. The
/// kind is what keys name: "key", "tier".
void check_keys(const nlohmann::json& object, const std::string& table, const std::string& kind,
                const std::vector<std::string>& known);

/// Throws a UsageError unless the list names something, and everything once.
void check_list(const nlohmann::json& list, const std::string& name);

/// Reads the keys of one table. Errors are UsageErrors that name "<table>.<key>", the value given
/// and what is accepted.
class OptionReader {
 public:
  OptionReader(const nlohmann::json& object, std::string table);

  int64_t integer(const std::string& key, int64_t otherwise, int64_t least, int64_t most);
  double real(const std::string& key, double otherwise, double least, double most);
  bool boolean(const std::string& key, bool otherwise);
  std::string text(const std::string& key, const std::string& otherwise);
  /// One of `known`.
  std::string choice(const std::string& key, const std::string& otherwise,
                     const std::vector<std::string>& known);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& otherwise);
  std::vector<int64_t> integers(const std::string& key, const std::vector<int64_t>& otherwise);
  std::vector<double> reals(const std::string& key, const std::vector<double>& otherwise);
  /// A nested table; an empty object when absent.
  nlohmann::json table(const std::string& key);

  /// Throws if a key was never asked for; names the nearest that was.
  void finish() const;

 private:
  const nlohmann::json* find(const std::string& key);
  [[noreturn]] void reject(const std::string& key, const std::string& expected) const;
  template <typename T>
  std::vector<T> list(const std::string& key, const std::vector<T>& otherwise,
                      bool (nlohmann::json::*is_item)() const noexcept, const char* expected);

  nlohmann::json object_;
  std::string table_;
  std::set<std::string> asked_;
};

}  // namespace luna::experiments
