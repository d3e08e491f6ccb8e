// Files that are whole or absent: bytes go to "<path>.part", which is synced and renamed to <path>.
// Used by checkpoints, results and generated data; tested in tests/runtime/io.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace luna::io {

/// One file being written. Until commit() nothing changes at the path; a writer that is destroyed
/// without it leaves no trace. One writer a path at a time, across processes: a second one is
/// refused, InUse. Missing parent folders are made, links are followed, devices refused. Every
/// member throws std::runtime_error: one line that names the file and the cure.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void append(std::string_view bytes);
  /// Syncs and renames; the file is then at the path even after a power cut.
  void commit();

 private:
  void flush();

  std::filesystem::path path_;
  std::filesystem::path part_;
  std::string buffer_;
  int descriptor_ = -1;
};

/// Replaces the file at `path` by `bytes`, or leaves it as it was and throws as AtomicFile does.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace luna::io
