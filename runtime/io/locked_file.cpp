#include "runtime/io/locked_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace luna::io {
namespace {

/// Whether the file that is open is the one at the path.
bool is_at(int descriptor, const std::filesystem::path& path) {
  struct stat ours {};
  struct stat there {};
  return fstat(descriptor, &ours) == 0 && stat(path.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

}  // namespace

int open_locked(const std::filesystem::path& path) {
  while (true) {
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) return -1;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      close(descriptor);
      errno = error;
      return -1;
    }
    if (is_at(descriptor, path)) return descriptor;
    close(descriptor);  // renamed or removed between open and lock: again
  }
}

}  // namespace luna::io
