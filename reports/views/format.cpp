#include "reports/views/format.h"

#include <fmt/format.h>

#include <cmath>

namespace luna::reports {

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f}", 100 * *share) : kNone;
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value < 0 ? -value : value);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(at, ",");
  return value < 0 ? "-" + digits : digits;
}

std::string rounded(double value) {
  constexpr double kBeyond = 1e15;  // what nobody reads digit by digit
  return std::abs(value) < kBeyond ? grouped(std::llround(value)) : fmt::format("{:.1e}", value);
}

std::string compact(const std::optional<double>& value) {
  if (!value) return kNone;
  const double size = std::abs(*value);
  if (*value != 0 && (size < 1e-3 || size >= 1e6)) return fmt::format("{:.1e}", *value);
  return size >= 1000 ? rounded(*value) : fmt::format("{:.3g}", *value);
}

std::string ratio(double value) {
  return value >= 10 ? fmt::format("{:.1f}x", value) : fmt::format("{:.2f}x", value);
}

std::string threads(int64_t count) {
  return fmt::format("{} thread{}", count, count == 1 ? "" : "s");
}

}  // namespace luna::reports
