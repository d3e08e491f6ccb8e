#include "runtime/io/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace luna::io {
namespace {

constexpr size_t kPiece = 1 << 20;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}", path.string(), what));
}

}  // namespace

std::string read_maybe_gzip(const std::filesystem::path& path, size_t most) {
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail(path, "cannot be opened; check that it exists and may be read");
  std::string bytes;
  while (bytes.size() <= most) {
    const size_t done = bytes.size();
    bytes.resize(done + std::min(kPiece, most + 1 - done));
    const int got = gzread(file.get(), bytes.data() + done, bytes.size() - done);
    bytes.resize(done + std::max(got, 0));
    int error = Z_OK;
    gzerror(file.get(), &error);
    if (got < 0 || error != Z_OK) fail(path, "truncated or damaged; restore it from its source");
    if (got == 0) return bytes;
  }
  fail(path,
       fmt::format("holds more than the {} bytes expected; restore it from its source", most));
}

}  // namespace luna::io
