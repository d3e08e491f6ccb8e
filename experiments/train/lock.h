// Locks on folders and files that one process at a time may write. Tested in
// tests/experiments/train.
#pragma once

#include <filesystem>
#include <string>

namespace luna::experiments {

inline constexpr const char* kOtherResults = "choose another results folder with --results";

/// Throws std::runtime_error: what the system says of the path, and the cure.
[[noreturn]] void refuse(const std::filesystem::path& path, int error, const std::string& cure);

/// Holds a lock file for as long as it lives, and removes it then; that of a process that was
/// killed stays, and is taken over.
class Lock {
 public:
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock();

 protected:
  /// `path` is the lock of `what`. Throws io::InUse naming the process that holds it,
  /// std::runtime_error when it cannot be written; both end with the cure.
  Lock(std::filesystem::path path, const std::filesystem::path& what, const std::string& cure);

 private:
  void release();

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Of a folder, which is made.
struct FolderLock : Lock {
  explicit FolderLock(const std::filesystem::path& folder, const std::string& cure = kOtherResults)
      : Lock(folder / "LOCK", folder, cure) {}
};

/// Of a file: <file>.lock beside it.
struct FileLock : Lock {
  FileLock(const std::filesystem::path& file, const std::string& cure)
      : Lock(file.string() + ".lock", file, cure) {}
};

}  // namespace luna::experiments
