// Tab-separated files row by row: no quoting, lines end in LF or CRLF. A line longer than the
// stated limit is refused before it is held in memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace luna::io {

class TsvReader {
 public:
  /// `cure` ends every error: what the user can do about a damaged file. Throws std::runtime_error
  /// where the file cannot be opened.
  TsvReader(std::filesystem::path path, size_t columns, size_t longest_line, std::string cure);

  /// Reads the next row; false at the end. The fields are views, valid until the next call.
  bool next(std::vector<std::string_view>& fields);
  /// Throws std::runtime_error "<path>:<line>: <what>; <cure>" about the row read last.
  [[noreturn]] void fail(const std::string& what) const;

 private:
  bool read_line();

  std::filesystem::path path_;
  std::ifstream file_;
  size_t columns_;
  std::string cure_;
  std::vector<char> buffer_;
  std::string_view line_;
  size_t number_ = 0;
};

}  // namespace luna::io
