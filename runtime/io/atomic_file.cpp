#include "runtime/io/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "runtime/io/locked_file.h"

namespace luna::io {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferBytes = 1 << 20;

const char* cure(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some disk space and run again";
    case EROFS:
    case EACCES:
    case EPERM:
      return "; choose a folder that you may write to";
    case EISDIR:
      return "; a folder is in its place: remove it or choose another name";
    case ENOTDIR:
      return "; a part of its path is a file: choose another folder";
    default:
      return "";
  }
}

[[noreturn]] void fail(const fs::path& path, int error) {
  throw std::runtime_error(
      fmt::format("cannot write {}: {}{}", path.string(), std::strerror(error), cure(error)));
}

/// Where the bytes go: what links lead to, for a rename would put a file in a link's place.
fs::path target_of(const fs::path& path) {
  std::error_code unknown;
  if (fs::is_directory(path, unknown)) fail(path, EISDIR);
  const fs::file_status there = fs::status(path, unknown);
  if (unknown.value() == ELOOP) fail(path, ELOOP);
  if (fs::exists(there) && !fs::is_regular_file(there)) {
    throw std::runtime_error(fmt::format(
        "cannot write {}: it is a device or a pipe, which would be replaced; name a file",
        path.string()));
  }
  if (!fs::is_symlink(fs::symlink_status(path, unknown))) return path;
  if (fs::exists(there)) return fs::canonical(path);
  return target_of(path.parent_path() / fs::read_symlink(path));
}

void make_folder(const fs::path& path) {
  if (!path.has_parent_path()) return;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) fail(path, error.value());
}

/// The part file, locked and empty.
int open_part(const fs::path& path, const fs::path& part) {
  const int descriptor = open_locked(part);
  if (descriptor < 0 && errno == EWOULDBLOCK) {
    throw InUse(fmt::format("cannot write {}: another process is writing it; wait for it or end it",
                            path.string()));
  }
  if (descriptor < 0) fail(path, errno);
  if (ftruncate(descriptor, 0) == 0) return descriptor;
  const int error = errno;
  close(descriptor);
  fail(path, error);
}

void sync_folder(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that may not be read: the rename itself is done
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(target_of(path)), part_(path_) {
  part_ += ".part";
  make_folder(path_);
  descriptor_ = open_part(path_, part_);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  unlink(part_.c_str());
  close(descriptor_);
}

void AtomicFile::append(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() >= kBufferBytes) flush();
}

void AtomicFile::flush() {
  for (size_t done = 0; done < buffer_.size();) {
    const ssize_t written = write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, errno);
    done += static_cast<size_t>(written);
  }
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (fsync(descriptor_) != 0) fail(path_, errno);
  if (rename(part_.c_str(), path_.c_str()) != 0) fail(path_, errno);
  close(descriptor_);
  descriptor_ = -1;
  sync_folder(path_);
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.append(bytes);
  file.commit();
}

}  // namespace luna::io
