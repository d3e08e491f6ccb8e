// What can be tuned: the TUNE lists of generators/CMakeLists.txt, as the build writes them to
// generators/tunables.json. Tested in tests/experiments/autotune.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace luna::autotune {

/// Parameters of a schedule by name, in the order of the names.
using Parameters = std::vector<std::pair<std::string, int>>;

/// "tokens=8 vectors=2"; the parameters' one name in files and messages.
std::string text_of(const Parameters& parameters);

struct Tunable {
  std::string pipeline;
  std::string generator;                    ///< Halide's, or the path of a source in CUDA C++
  std::string kind;                         ///< cpu or cuda
  std::vector<std::string> targets;         ///< Halide's, the most capable first
  std::vector<std::string> compile, embed;  ///< commands of a source in CUDA C++, else empty
  std::vector<std::string> fixed;           ///< "block=8": not of the schedule
  std::vector<std::pair<std::string, std::vector<int>>> space;  ///< the first value is the default

  Parameters defaults() const;
  /// Every combination, the default first.
  std::vector<Parameters> candidates() const;
};

/// Those of one kind whose name holds `filter`. Throws std::runtime_error where the file is not the
/// build's.
std::vector<Tunable> read_tunables(const std::filesystem::path& file, const std::string& kind,
                                   const std::string& filter);

}  // namespace luna::autotune
