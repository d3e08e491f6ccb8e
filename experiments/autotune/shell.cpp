#include "experiments/autotune/shell.h"

#include <stdio.h>

#include <stdexcept>

namespace luna::autotune {
namespace {

/// As one word of the shell.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

}  // namespace

Output run_program(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += quoted(word) + " ";
  FILE* const pipe = popen((line + "2>&1").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot start " + command.front());
  Output output{0, ""};
  char buffer[4096];
  size_t count;
  while ((count = fread(buffer, 1, sizeof buffer, pipe)) > 0) output.text.append(buffer, count);
  output.status = pclose(pipe);
  return output;
}

}  // namespace luna::autotune
