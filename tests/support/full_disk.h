// A file system of some kilobytes, to be filled.
#pragma once

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

namespace luna::testing {

/// Mounts a file system of 64 KB on `folder`, seen by the calling process alone, which becomes root
/// of a namespace of its own for that. False where the system does not allow it.
inline bool mount_small_disk(const std::filesystem::path& folder) {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  return mount("none", folder.c_str(), "tmpfs", 0, "size=64k") == 0;
}

/// What `action` returns in a child process for whom `folder` is a disk of 64 KB; nothing where no
/// such disk can be had.
inline std::optional<std::string> on_small_disk(const std::filesystem::path& folder,
                                                const std::function<std::string()>& action) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error(strerror(errno));
  const pid_t child = fork();
  if (child == 0) {
    if (!mount_small_disk(folder)) _exit(1);
    const std::string result = action();
    _exit(write(ends[1], result.data(), result.size()) == ssize_t(result.size()) ? 0 : 2);
  }
  close(ends[1]);
  std::string result;
  char buffer[4096];
  ssize_t count;
  while ((count = read(ends[0], buffer, sizeof buffer)) > 0) result.append(buffer, count);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) throw std::runtime_error("the child failed");
  return WEXITSTATUS(status) == 0 ? std::optional(result) : std::nullopt;
}

}  // namespace luna::testing
