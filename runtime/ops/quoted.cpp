#include "runtime/ops/quoted.h"

#include <fmt/format.h>

#include <algorithm>

namespace luna::ops {

namespace {

/// Inside a character of UTF-8.
bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string quoted(const std::string& name) {
  constexpr size_t kMost = 64;
  size_t end = std::min(name.size(), kMost);
  while (end > 0 && end < name.size() && continues(name[end])) --end;
  std::string text = "\"";
  for (const char c : name.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text + (end < name.size() ? "..\"" : "\"");
}

}  // namespace luna::ops
