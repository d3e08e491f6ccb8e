// A program that is run to its end.
#pragma once

#include <string>
#include <vector>

namespace luna::autotune {

struct Output {
  int status;        ///< as waitpid has it, 0: it succeeded
  std::string text;  ///< its output and errors
};

/// Runs the program of that path with these arguments. Throws std::runtime_error where it cannot be
/// started.
Output run_program(const std::vector<std::string>& command);

}  // namespace luna::autotune
