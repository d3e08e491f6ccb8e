// Whole files into memory, unpacked where they are gzip-compressed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace luna::io {

/// The content of a file, unpacked if it is gzip. Throws std::runtime_error, naming the file, where
/// it cannot be read, is truncated or damaged, or holds more than `most` bytes.
std::string read_maybe_gzip(const std::filesystem::path& path, size_t most);

}  // namespace luna::io
