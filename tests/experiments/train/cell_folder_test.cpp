// The cell's folder: its lock, its configuration, its metrics.
#include "experiments/train/cell_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/config/options.h"
#include "experiments/train/lock.h"
#include "runtime/io/locked_file.h"
#include "tests/experiments/train/file_size_limit.h"
#include "tests/experiments/train/refusals.h"
#include "tests/support/error_of.h"
#include "tests/support/full_disk.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using luna::testing::write_text;
using nlohmann::json;
using ::testing::ThrowsMessage;

/// A process that holds a folder's lock until it is killed.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& folder) {
    int ready[2];
    if (pipe(ready) != 0) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      const FolderLock lock(folder);
      if (write(ready[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    }
    char byte = 0;
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) throw std::runtime_error("the holder holds nothing");
    close(ready[0]);
  }
  ~Holder() {
    if (pid_ > 0) end();
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  pid_t pid() const { return pid_; }
  void end() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

class Folder : public ::testing::Test {
 protected:
  TemporaryFolder temporary_;
  std::filesystem::path path_ = temporary_.path() / "recall" / "luna" / "seed_0";
};

TEST_F(Folder, LockNamesItsHolderAndDiesWithIt) {
  Holder holder(path_);
  EXPECT_THAT([&] { FolderLock lock(path_); },
              ThrowsMessage<io::InUse>(path_.string() + " is in use by process " +
                                       std::to_string(holder.pid()) + "; wait for it, or " +
                                       test::kOtherFolder));
  holder.end();
  const FolderLock lock(path_);
  EXPECT_EQ(read_text(path_ / "LOCK"), std::to_string(getpid()));
}

TEST_F(Folder, LockEndsWithItsScopeAndLeavesNothing) {
  { const FolderLock lock(path_); }
  EXPECT_TRUE(std::filesystem::is_empty(path_));
  const FolderLock again(path_);
  EXPECT_THROW(FolderLock second(path_), io::InUse);
}

TEST_F(Folder, LockSaysThatAFileIsInTheWay) {
  write_text(path_, "a file");
  EXPECT_THAT([&] { FolderLock lock(path_); },
              ThrowsMessage<std::runtime_error>(test::disk_refusal(path_, "Not a directory")));
}

TEST(FullDisk, AsksForSpace) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  const auto report = testing::on_small_disk(folder.path(), [&] {
    MetricsLog log(path, 0);
    return testing::error_of([&] { log.add({{"text", std::string(100'000, 'x')}}); });
  });
  if (!report) GTEST_SKIP() << "this system lets no user mount a file system";
  EXPECT_EQ(*report,
            path.string() + ": No space left on device; free some space or " + test::kOtherFolder);
}

const json kConfig = {{"seed", 0},
                      {"task", {{"name", "recall"}, {"pairs", 8}}},
                      {"train", {{"lr", 1e-3}, {"steps", 100}}}};

const json kDone = {
    {"test_accuracy", 0.5}, {"validation_accuracy", 0.25}, {"steps", 3}, {"seconds", 1.5}};

/// A configuration other than kConfig, and the words for the first difference.
struct Change {
  const char* patch;  ///< JSON merge patch
  const char* text;
};

class Claim : public ::testing::TestWithParam<Change> {
 protected:
  TemporaryFolder folder_;
};

TEST_P(Claim, NamesTheFirstKeyThatDiffers) {
  const CellFolder folder(folder_.path());
  folder.claim(kConfig);
  folder.claim(kConfig);
  json changed = kConfig;
  changed.merge_patch(json::parse(GetParam().patch));
  EXPECT_THAT([&] { folder.claim(changed); }, ThrowsMessage<UsageError>(test::other_configuration(
                                                  folder_.path(), GetParam().text)));
}

INSTANTIATE_TEST_SUITE_P(
    Changes, Claim,
    ::testing::Values(
        Change{R"({"train": {"steps": 200}})", "train.steps is 100 there and 200 now"},
        Change{R"({"seed": 1, "train": {"steps": 200}})", "seed is 0 there and 1 now"},
        Change{R"({"task": {"name": "text"}})", "task.name is \"recall\" there and \"text\" now"},
        Change{R"({"task": {"pairs": null}})", "task.pairs is 8 there and absent now"},
        Change{R"({"task": {"values": 4}})", "task.values is absent there and 4 now"}));

TEST_F(Folder, KnowsWhatBecameOfTheCell) {
  const CellFolder folder(path_);
  EXPECT_FALSE(folder.done());
  EXPECT_FALSE(folder.failure());
  EXPECT_TRUE(folder.read("FAILED").is_null());
  folder.write("FAILED", {{"reason", "loss is nan"}});
  EXPECT_EQ(*folder.failure(), "loss is nan");
  folder.write("DONE", kDone);
  EXPECT_TRUE(folder.done());
  EXPECT_EQ(folder.result(), kDone);
}

TEST_F(Folder, DamagedMarkersAreNone) {
  const CellFolder folder(path_);
  folder.write("DONE", kDone);
  const std::string whole = read_text(path_ / "DONE");
  const std::string cut = whole.substr(0, whole.size() / 2);
  for (const std::string& text : {std::string(), std::string("3"), std::string("{}"), cut}) {
    write_text(path_ / "DONE", text);
    EXPECT_FALSE(folder.done()) << text;
  }
  for (const auto& item : kDone.items()) {
    json changed = kDone;
    for (const json& value : {json("x"), json(-1), json()}) {
      changed[item.key()] = value;
      folder.write("DONE", changed);
      EXPECT_FALSE(folder.done()) << changed;
    }
  }
  folder.write("FAILED", {{"reason", 3}});
  EXPECT_EQ(*folder.failure(), "unknown reason");
}

TEST_F(Folder, ResultsWithoutAReadableConfigurationAreNotContinued) {
  const CellFolder folder(path_);
  const auto refused = [&](const std::string& why) {
    EXPECT_THAT([&] { folder.claim(kConfig); },
                ThrowsMessage<UsageError>(test::other_configuration(path_, why)));
  };
  folder.check(kConfig);
  EXPECT_FALSE(std::filesystem::exists(path_));
  write_text(path_ / "config.resolved.toml", "a = ");
  refused("config.resolved.toml is damaged");
  std::filesystem::remove(path_ / "config.resolved.toml");
  write_text(folder.checkpoint(), "state");
  refused("config.resolved.toml is missing");
  std::filesystem::remove(folder.checkpoint());
  folder.write("DONE", kDone);
  refused("config.resolved.toml is missing");
}

class Metrics : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "metrics.jsonl";
};

TEST_F(Metrics, CountsItsBytes) {
  MetricsLog log(path_, 0);
  log.add({{"step", 1}});
  log.add({{"step", 2}, {"loss", 0.5}});
  EXPECT_EQ(read_text(path_), "{\"step\":1}\n{\"loss\":0.5,\"step\":2}\n");
  EXPECT_EQ(log.bytes(), static_cast<int64_t>(read_text(path_).size()));
}

TEST_F(Metrics, DropsWhatCameAfterTheCheckpoint) {
  write_text(path_, "{\"step\":1}\n{\"step\":2}\n{\"st");
  MetricsLog log(path_, 11);
  log.add({{"step", 3}});
  EXPECT_EQ(read_text(path_), "{\"step\":1}\n{\"step\":3}\n");
  EXPECT_EQ(log.bytes(), 22);
}

TEST_F(Metrics, RefuseToContinueWhatIsNotThere) {
  const auto refused = ThrowsMessage<std::runtime_error>(
      path_.string() + " is shorter than its checkpoint says; delete the folder " +
      folder_.path().string() + " to start again");
  EXPECT_THAT([&] { MetricsLog log(path_, 11); }, refused);
  write_text(path_, "{\"step\":1}");
  EXPECT_THAT([&] { MetricsLog log(path_, 11); }, refused);
}

TEST_F(Metrics, SayThatTheDiskRefuses) {
  MetricsLog log(path_, 0);
  const test::FileSizeLimit limit(16);
  log.add({{"step", 1}});
  EXPECT_THAT(
      [&] {
        log.add({{"step", 2}});
      },
      ThrowsMessage<std::runtime_error>(test::disk_refusal(path_, "File too large")));
}

}  // namespace
}  // namespace luna::experiments
