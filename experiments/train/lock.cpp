#include "experiments/train/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

#include "experiments/config/options.h"

namespace luna::experiments {

namespace fs = std::filesystem;

void refuse(const fs::path& path, int error, const std::string& cure) {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw std::runtime_error(fmt::format("{}: {}; {}{}", path.string(), strerror(error),
                                       full ? "free some space or " : "", cure));
}

Lock::Lock(const fs::path& path, const fs::path& what, const std::string& cure) {
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) refuse(path.parent_path(), error.value(), cure);
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) refuse(path, errno, cure);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    std::string holder;
    std::getline(std::ifstream(path), holder);
    close(descriptor_);
    throw UsageError(fmt::format("{} is in use by process {}; wait for it, or {}", what.string(),
                                 holder.empty() ? "unknown" : holder, cure));
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(descriptor_, 0) != 0 ||
      write(descriptor_, pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    const int failed = errno;
    close(descriptor_);
    refuse(path, failed, cure);
  }
}

Lock::~Lock() { close(descriptor_); }

}  // namespace luna::experiments
