#include "experiments/train/lock.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <fstream>

#include "runtime/io/locked_file.h"

namespace luna::experiments {

namespace fs = std::filesystem;

void refuse(const fs::path& path, int error, const std::string& cure) {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw std::runtime_error(fmt::format("{}: {}; {}{}", path.string(), strerror(error),
                                       full ? "free some space or " : "", cure));
}

Lock::Lock(fs::path path, const fs::path& what, const std::string& cure) : path_(std::move(path)) {
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  if (error) refuse(path_.parent_path(), error.value(), cure);
  descriptor_ = io::open_locked(path_);
  if (descriptor_ < 0 && errno == EWOULDBLOCK) {
    std::string holder;
    std::getline(std::ifstream(path_), holder);
    throw io::InUse(fmt::format("{} is in use by process {}; wait for it, or {}", what.string(),
                                holder.empty() ? "unknown" : holder, cure));
  }
  if (descriptor_ < 0) refuse(path_, errno, cure);
  const std::string pid = std::to_string(getpid());
  if (ftruncate(descriptor_, 0) != 0 ||
      write(descriptor_, pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    const int failed = errno;
    release();
    refuse(path_, failed, cure);
  }
}

Lock::~Lock() { release(); }

void Lock::release() {
  unlink(path_.c_str());  // while it is locked, as open_locked() asks for
  close(descriptor_);
}

}  // namespace luna::experiments
