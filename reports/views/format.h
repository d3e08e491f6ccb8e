// Numbers as the report prints them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace luna::reports {

constexpr const char* kNone = "–";

std::string percent(const std::optional<double>& share);  ///< 0.7831 -> "78.3"
std::string grouped(int64_t value);                       ///< 209802 -> "209,802"
std::string rounded(double value);                        ///< 209801.7 -> "209,802"
std::string compact(const std::optional<double>& value);  ///< three significant digits
std::string ratio(double value);                          ///< 80.31 -> "80.3x", 0.52 -> "0.52x"
std::string threads(int64_t count);                       ///< "1 thread", "2 threads"

}  // namespace luna::reports
