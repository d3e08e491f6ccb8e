// SHA-256 of bytes and files, in lower-case hex.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace luna::io {

std::string sha256(std::string_view bytes);
/// Of the file's bytes as they are, read in pieces. Throws std::runtime_error naming the file.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace luna::io
