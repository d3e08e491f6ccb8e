#include "experiments/runner/option_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace luna::experiments {

std::string check_path(const std::string& path) {
  return path.empty() ? "'' is no path; name one, or leave the option out" : "";
}

std::string check_part(const std::string& part) {
  return part.empty() ? "'' is part of every name; name more, or leave the option out" : "";
}

std::string check_file(const std::string& path) {
  const bool file = std::filesystem::exists(path) && !std::filesystem::is_directory(path);
  return file ? "" : "there is no file '" + path + "'; name one, or leave the option out";
}

std::string check_tier_name(const std::string& name) {
  const bool plain = !name.empty() && name[0] != '.' && name.find('/') == std::string::npos;
  return plain ? "" : "'" + name + "' is no name of a tier";
}

std::string check_real(const std::string& text, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool good = !text.empty() && *end == '\0' && value >= least && value <= most;
  return good ? "" : fmt::format("'{}' is no number from {:g} to {:g}", text, least, most);
}

std::string check_whole(const std::string& text, int64_t least, int64_t most) {
  errno = 0;
  const int64_t value = std::strtoll(text.c_str(), nullptr, 10);
  // As it is written: no blanks, plus or leading zeros, which other readers take for octal.
  const bool good = errno == 0 && std::to_string(value) == text && value >= least && value <= most;
  return good ? "" : fmt::format("'{}' is no whole number from {} to {}", text, least, most);
}

std::vector<std::string> entries_of(const std::string& list) {
  std::vector<std::string> entries;
  for (size_t begin = 0, end; begin <= list.size(); begin = end + 1) {
    end = std::min(list.find(',', begin), list.size());
    entries.push_back(list.substr(begin, end - begin));
  }
  return entries;
}

}  // namespace luna::experiments
