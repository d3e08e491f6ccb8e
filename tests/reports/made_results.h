// Hand-made results folders for the report's and the command line's tests.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace luna::testing {

/// A folder of its own under the system's temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_text(const std::filesystem::path& path, const std::string& text);
std::string read_text(const std::filesystem::path& path);

/// A finished cell: DONE, env.json and metrics.jsonl whose accuracy rises to `accuracy`.
void write_cell(const std::filesystem::path& results, const std::string& experiment,
                const std::string& attention, int seed, double accuracy);

/// results/quick with recall (all attentions, seeds 0 and 1), image (some), and a bench.json.
void write_tier(const std::filesystem::path& results);

}  // namespace luna::testing
