// Promise: one holder at a time, also where holders remove the file.
#include "runtime/io/locked_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"

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

TEST(LockedFile, RemovingItLetsNobodyInBeside) {
  constexpr int kThreads = 4, kTurns = 200;
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  std::atomic<int> holders{0}, beside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < kTurns;) {
        const int held = open_locked(path);
        if (held < 0) {
          std::this_thread::yield();
          continue;
        }
        ++turn;
        beside += holders++ > 0;
        std::this_thread::yield();
        --holders;
        unlink(path.c_str());
        close(held);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(beside, 0);
}

}  // namespace
}  // namespace luna::io
