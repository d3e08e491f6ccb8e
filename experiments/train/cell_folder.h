// The folder of one cell on disk: configuration, metrics, markers. The layout is what
// reports/results.h reads. Tested in tests/experiments/train.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace luna::experiments {

/// metrics.jsonl: one JSON object a line, appended. No wall-clock time goes in, so that a resumed
/// run leaves the same bytes as an undisturbed one.
class MetricsLog {
 public:
  /// Keeps the first `bytes` bytes of the file, which are those of the checkpoint.
  MetricsLog(std::filesystem::path path, int64_t bytes);
  void add(const nlohmann::json& line);
  /// Returns when every line is on the disk: a checkpoint that counts them may follow.
  void sync();
  /// Bytes so far, all of them handed to the system.
  int64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<FILE, int (*)(FILE*)> file_;
  int64_t bytes_;
};

class CellFolder {
 public:
  explicit CellFolder(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path& path() const { return path_; }

  /// DONE where it is whole, with the numbers that others read; else null.
  nlohmann::json result() const;
  bool done() const { return result().is_object(); }
  /// Why the cell failed before; empty if it did not.
  std::optional<std::string> failure() const;
  /// Throws UsageError when the folder holds results of another configuration, naming the first
  /// key that differs, or of one that nobody knows.
  void check(const nlohmann::json& config) const;
  /// Throws UsageError when `there`, the configuration that something in the folder is of, differs.
  void compare(const nlohmann::json& config, const nlohmann::json& there) const;
  /// Checks, and writes config.resolved.toml where there is none.
  void claim(const nlohmann::json& config) const;
  void write(const std::string& name, const nlohmann::json& object) const;
  /// A file written by write(), or null.
  nlohmann::json read(const std::string& name) const;
  std::filesystem::path checkpoint() const { return path_ / "checkpoint" / "state.bin"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }

 private:
  [[noreturn]] void refuse_results(const std::string& why) const;
  std::filesystem::path resolved() const { return path_ / "config.resolved.toml"; }

  std::filesystem::path path_;
};

}  // namespace luna::experiments
