// Promise: one holder at a time, also where holders remove the file.
#include "runtime/io/locked_file.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

#include "tests/support/temporary_folder.h"

namespace {

std::function<void()> before_next_lock;

}  // namespace

/// In place of the system's: what another process does between open and lock can be played.
extern "C" int flock(int descriptor, int operation) noexcept {
  if (before_next_lock) std::exchange(before_next_lock, nullptr)();
  return static_cast<int>(syscall(SYS_flock, descriptor, operation));
}

namespace luna::io {
namespace {

TEST(LockedFile, RefusesASecondHolder) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("lock", "what a killed holder left");
  const int first = open_locked(path);
  ASSERT_GE(first, 0);
  EXPECT_EQ(open_locked(path), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
  close(first);
  const int second = open_locked(path);
  EXPECT_GE(second, 0);
  close(second);
}

TEST(LockedFile, SaysWhyItCannotBe) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(open_locked(folder.path() / "absent" / "lock"), -1);
  EXPECT_EQ(errno, ENOENT);
}

/// Its holder removes the file after it was opened and before it is locked: another process could
/// make and lock a new one beside it.
TEST(LockedFile, IsTheFileAtThePath) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("lock", "");
  before_next_lock = [&] { unlink(path.c_str()); };
  const int held = open_locked(path);
  struct stat ours {};
  struct stat there {};
  ASSERT_EQ(fstat(held, &ours), 0);
  ASSERT_EQ(stat(path.c_str(), &there), 0);
  EXPECT_EQ(ours.st_ino, there.st_ino);
  EXPECT_EQ(open_locked(path), -1);
  close(held);
}

}  // namespace
}  // namespace luna::io
