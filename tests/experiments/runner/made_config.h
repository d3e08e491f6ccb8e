// A configuration whose cells train in a second, and the executable run on it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace luna::testing {

struct Outcome {
  int code;  ///< exit code; 128 + signal if killed
  std::string output, errors;
};

/// A folder with tiers.toml, made.toml, results/ and data/.
class MadeConfig {
 public:
  /// made.toml: luna-eps and mean on a small recall, `steps` steps, then `more` lines.
  explicit MadeConfig(int steps, const std::string& more = "");

  std::filesystem::path results() const { return folder_.path() / "results"; }
  std::filesystem::path cell(const std::string& attention) const;
  /// `luna COMMAND` with the folder's --config, --results and --data, and `more` options.
  Outcome run(const std::string& command, const std::vector<std::string>& more = {}) const;
  /// The same in the background; the caller waits for the process.
  pid_t start(const std::string& command) const;

 private:
  std::vector<std::string> arguments(const std::string& command) const;
  TemporaryFolder folder_;
};

/// A lock file that someone else holds, process 4321 as it says.
class HeldLock {
 public:
  explicit HeldLock(const std::filesystem::path& path);
  ~HeldLock();
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  int descriptor_;
};

/// `luna ARGUMENTS`. A device that takes the output is not read.
Outcome run_luna(const std::vector<std::string>& arguments,
                 const std::filesystem::path& device = {});

/// The same in the background, what it prints in a folder; the caller waits for the process.
pid_t start_luna(const std::vector<std::string>& arguments, const std::filesystem::path& folder);

}  // namespace luna::testing
