#include "runtime/io/tsv.h"

#include <fmt/format.h>

#include <stdexcept>

namespace luna::io {

TsvReader::TsvReader(std::filesystem::path path, size_t columns, size_t longest_line,
                     std::string cure)
    : path_(std::move(path)),
      file_(path_, std::ios::binary),
      columns_(columns),
      cure_(std::move(cure)),
      buffer_(longest_line + 3) {  // CR, LF, and the NUL that getline appends
  if (!file_) {
    throw std::runtime_error(fmt::format("cannot read {}; {}", path_.string(), cure_));
  }
}

void TsvReader::fail(const std::string& what) const {
  throw std::runtime_error(fmt::format("{}:{}: {}; {}", path_.string(), number_, what, cure_));
}

bool TsvReader::read_line() {
  file_.getline(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  size_t length = static_cast<size_t>(file_.gcount());
  if (length == 0 && file_.eof()) return false;
  ++number_;
  if (file_.bad()) fail("cannot be read");
  if (!file_.eof()) {
    if (file_.fail()) fail(fmt::format("a line longer than {} bytes", buffer_.size() - 3));
    --length;  // the line end, which getline counts
  }
  if (length > 0 && buffer_[length - 1] == '\r') --length;
  line_ = {buffer_.data(), length};
  return true;
}

bool TsvReader::next(std::vector<std::string_view>& fields) {
  if (!read_line()) return false;
  if (line_.find('\0') != std::string_view::npos) fail("a NUL byte");
  fields.clear();
  std::string_view rest = line_;
  for (size_t tab; (tab = rest.find('\t')) != std::string_view::npos;) {
    fields.push_back(rest.substr(0, tab));
    rest.remove_prefix(tab + 1);
  }
  fields.push_back(rest);
  if (fields.size() != columns_) {
    fail(fmt::format("{} tab-separated columns where {} belong", fields.size(), columns_));
  }
  return true;
}

}  // namespace luna::io
