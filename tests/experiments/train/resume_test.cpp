// A run that is killed again and again ends with the bytes of one that was not. The program starts
// itself as `resume_test --train FOLDER ATTENTION CALL`: train, and die at the CALL-th call for
// data (0: never).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/train/checkpoint.h"
#include "tests/experiments/done_file.h"
#include "tests/experiments/train/copy_task.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using luna::testing::without_seconds;
namespace fs = std::filesystem;

int train(const fs::path& folder, const std::string& attention, int die_at) {
  CellConfig cell = test::copy_cell(attention);
  cell.model.dropout = 0.1;
  cell.model.redraw = 5;              // of performer: in a step that a later start takes
  cell.train.checkpoint_seconds = 0;  // after every step
  int calls = 0;
  const test::CopyTask task([&] {
    if (++calls == die_at) raise(SIGKILL);
  });
  train_cell(cell, folder, task, test::no_progress);
  return 0;
}

/// Runs this program with --train; its wait status.
int launch(const fs::path& folder, const std::string& attention, int die_at) {
  const std::string call = std::to_string(die_at);
  const pid_t pid = fork();
  if (pid == 0) {
    execl("/proc/self/exe", "resume_test", "--train", folder.c_str(), attention.c_str(),
          call.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

class Resume : public ::testing::TestWithParam<const char*> {};

TEST_P(Resume, LeavesTheBytesOfAnUndisturbedRun) {
  const TemporaryFolder folder;
  const fs::path calm = folder.path() / "calm", killed = folder.path() / "killed";
  ASSERT_EQ(launch(calm, GetParam(), 0), 0);
  // In turn: before the first step; in a step; in an evaluation during training; in the last step;
  // in the last evaluation; before DONE (the call for majority_class).
  for (const int call : {1, 4, 4, 12, 3, 5}) {
    const int status = launch(killed, GetParam(), call);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << call << ": " << status;
    ASSERT_FALSE(fs::exists(killed / "DONE"));
  }
  ASSERT_EQ(launch(killed, GetParam(), 0), 0);

  for (const char* name : {"config.resolved.toml", "env.json", "metrics.jsonl"}) {
    EXPECT_EQ(read_text(killed / name), read_text(calm / name)) << name;
  }
  EXPECT_EQ(without_seconds(killed), without_seconds(calm));
  const Checkpoint expected = load_checkpoint(calm / "checkpoint" / "state.bin");
  const Checkpoint given = load_checkpoint(killed / "checkpoint" / "state.bin");
  ASSERT_EQ(given.tensors.size(), expected.tensors.size());
  for (size_t i = 0; i < given.tensors.size(); ++i) {
    EXPECT_TRUE(given.tensors[i].equal(expected.tensors[i])) << i;
  }
  EXPECT_EQ(given.facts.at("step"), expected.facts.at("step"));
  EXPECT_EQ(given.facts.at("metrics"), expected.facts.at("metrics"));
}

INSTANTIATE_TEST_SUITE_P(Attentions, Resume, ::testing::Values("luna-eps", "performer"),
                         [](const auto& info) { return std::string(info.param, 4); });

}  // namespace
}  // namespace luna::experiments

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--train") {
    return luna::experiments::train(argv[2], argv[3], std::stoi(argv[4]));
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
