// Promise: a file is whole or as it was before; a writer leaves nothing else behind.
#include "runtime/io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "runtime/io/locked_file.h"
#include "tests/support/error_of.h"
#include "tests/support/full_disk.h"
#include "tests/support/temporary_folder.h"

namespace luna::io {
namespace {

using testing::error_of;
using testing::read_text;
using testing::TemporaryFolder;

size_t entries(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

TEST(AtomicFile, WritesAllBytesAndMakesFolders) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a" / "b" / "file";
  std::string bytes(3'000'000, 'x');  // more than the buffer
  bytes += '\0';
  AtomicFile file(path);
  file.append(bytes);
  file.append("end");
  file.commit();
  EXPECT_EQ(read_text(path), bytes + "end");
  EXPECT_EQ(entries(path.parent_path()), 1u);
}

TEST(AtomicFile, ChangesNothingBeforeCommit) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "old");
  {
    AtomicFile file(path);
    file.append(std::string(3'000'000, 'x'));
    EXPECT_EQ(read_text(path), "old");
  }
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFile, TakesOverThePartFileOfAKilledWriter) {
  const TemporaryFolder folder;
  folder.write("file.part", "what a killed writer left, longer than the new content");
  write_file_atomically(folder.path() / "file", "new");
  EXPECT_EQ(read_text(folder.path() / "file"), "new");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFile, OneWriterAPathAtATime) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  AtomicFile first(path);
  first.append("first");
  EXPECT_EQ(
      error_of<InUse>([&] { AtomicFile second(path); }),
      "cannot write " + path.string() + ": another process is writing it; wait for it or end it");
  first.commit();
  write_file_atomically(path, "second");
  EXPECT_EQ(read_text(path), "second");
}

TEST(AtomicFile, NamesWhatStandsInTheWay) {
  const TemporaryFolder folder;
  const auto blocked = folder.write("file", "") / "below";
  EXPECT_EQ(error_of([&] { write_file_atomically(blocked, ""); }),
            "cannot write " + blocked.string() +
                ": Not a directory; a part of its path is a file: choose another folder");
  const auto taken = folder.path() / "folder";
  std::filesystem::create_directories(taken / "full");
  EXPECT_EQ(error_of([&] { write_file_atomically(taken, ""); }),
            "cannot write " + taken.string() +
                ": Is a directory; a folder is in its place: remove it or choose another name");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "folder.part"));
}

TEST(AtomicFile, FollowsLinks) {
  const TemporaryFolder folder;
  const auto target = folder.write("target", "old"), link = folder.path() / "link";
  std::filesystem::create_symlink("target", link);
  write_file_atomically(link, "new");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(read_text(target), "new");
  const auto dangling = folder.path() / "dangling";
  std::filesystem::create_symlink("made", dangling);
  write_file_atomically(dangling, "first");
  EXPECT_EQ(read_text(folder.path() / "made"), "first");
}

TEST(AtomicFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { write_file_atomically(pipe, ""); }),
            "cannot write " + pipe.string() +
                ": it is a device or a pipe, which would be replaced; name a file");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST(AtomicFile, AFullDiskKeepsTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  const auto report = testing::on_small_disk(folder.path(), [&] {
    write_file_atomically(path, "old");
    const std::string error =
        error_of([&] { write_file_atomically(path, std::string(100'000, 'x')); });
    return error + "\n" + read_text(path) + "\n" + std::to_string(entries(folder.path()));
  });
  if (!report) GTEST_SKIP() << "this system lets no user mount a file system";
  EXPECT_EQ(*report, "cannot write " + path.string() +
                         ": No space left on device; free some disk space and run again\nold\n1");
}

}  // namespace
}  // namespace luna::io
