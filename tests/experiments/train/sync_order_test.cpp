// What names the metrics, a checkpoint and DONE, reaches its name only when they are on the disk:
// fdatasync() and rename() of this program note what they see.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>

#include "tests/experiments/train/copy_task.h"
#include "tests/support/temporary_folder.h"

namespace {

off_t synced_bytes = 0;               // of the file that was synced last
std::map<std::string, int> followed;  // renames after a sync of all metrics, by file name
int too_early = 0;
std::filesystem::path metrics;

}  // namespace

extern "C" int fdatasync(int descriptor) {
  struct stat file {};
  fstat(descriptor, &file);
  synced_bytes = file.st_size;
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  const std::string name = std::filesystem::path(to).filename();
  if (name == "state.bin" || name == "DONE") {
    const bool on_disk = synced_bytes == static_cast<off_t>(std::filesystem::file_size(metrics));
    ++(on_disk ? followed[name] : too_early);
  }
  return static_cast<int>(syscall(SYS_rename, from, to));
}

namespace luna::experiments {
namespace {

TEST(TrainCell, SyncsMetricsBeforeWhatCountsThem) {
  const luna::testing::TemporaryFolder folder;
  metrics = folder.path() / "metrics.jsonl";
  CellConfig cell = test::copy_cell("mean");
  cell.train.checkpoint_seconds = 0;
  train_cell(cell, folder.path(), test::CopyTask(), test::no_progress);
  EXPECT_EQ(followed["state.bin"], 13);  // after every step, and at the end
  EXPECT_EQ(followed["DONE"], 1);
  EXPECT_EQ(too_early, 0);
}

}  // namespace
}  // namespace luna::experiments
