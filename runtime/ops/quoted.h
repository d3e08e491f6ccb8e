// A name that a caller has given, as an error message shows it.
#pragma once

#include <string>

namespace luna::ops {

/// The first 64 characters in quotation marks, on one line: control characters as \x0a.
std::string quoted(const std::string& name);

}  // namespace luna::ops
