// A name that a caller has given, as an error message shows it.
#pragma once

#include <string>

namespace luna::ops {

/// The characters that fit in 64 bytes of UTF-8, in quotation marks, on one line: control
/// characters as \x0a.
std::string quoted(const std::string& name);

}  // namespace luna::ops
