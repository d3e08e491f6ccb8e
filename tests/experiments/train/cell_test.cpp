// train_cell on a task of seconds: what it writes, what it refuses, what a report reads of it.
#include "experiments/train/cell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "experiments/train/lock.h"
#include "reports/results.h"
#include "tests/experiments/done_file.h"
#include "tests/experiments/train/copy_task.h"
#include "tests/experiments/train/file_size_limit.h"
#include "tests/experiments/train/refusals.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using luna::testing::write_text;
using nlohmann::json;
using ::testing::ThrowsMessage;

class TrainCell : public ::testing::Test {
 protected:
  CellOutcome train(const CellConfig& cell) {
    return train_cell(cell, path_, test::CopyTask(), test::no_progress);
  }
  json read(const std::string& name) const { return json::parse(read_text(path_ / name)); }
  std::vector<json> metrics() const {
    std::istringstream text(read_text(path_ / "metrics.jsonl"));
    std::vector<json> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
    return lines;
  }
  /// The cell as a report sees it.
  reports::CellRun reported() const {
    const reports::Results results = reports::read_results(folder_.path(), "quick");
    EXPECT_TRUE(results.problems.empty());
    EXPECT_EQ(results.runs.size(), 1u);
    return results.runs.at(0);
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "quick" / "copy" / "luna" / "seed_3";
};

TEST_F(TrainCell, WritesWhatAReportReads) {
  EXPECT_EQ(train(test::copy_cell("luna")), CellOutcome::trained);
  const reports::CellRun run = reported();
  EXPECT_EQ(run.state, reports::RunState::kDone);
  EXPECT_EQ(run.seed, 3);
  EXPECT_EQ(*run.steps, 12);
  EXPECT_EQ(*run.test_examples, 16);
  EXPECT_EQ(*run.majority_class, 0.125);
  EXPECT_EQ(run.data.at("source"), "generated");
  EXPECT_EQ(run.psi.at("t").size(), 81u);
  ASSERT_EQ(run.psi.at("layers").size(), 2u);
  EXPECT_EQ(run.psi["layers"][0]["init"].size(), 81u);
  EXPECT_EQ(run.psi["layers"][0]["init"][0].size(), 4u);
  EXPECT_NE(run.psi["layers"][0]["init"], run.psi["layers"][0]["final"]);
  for (const char* key :
       {"cpu", "isa", "cores", "threads", "memory_gib", "os", "kernel", "compiler", "torch",
        "halide", "luna", "device", "commit", "library_sha256"}) {
    EXPECT_TRUE(run.environment.contains(key)) << key;
  }
  EXPECT_EQ(run.metrics.size(), 12u + 2 + 2);
  EXPECT_TRUE(run.metrics.back().min_denominator && run.metrics.back().dead_features);
  EXPECT_EQ(*run.metrics.back().accuracy, *run.test_accuracy);
}

TEST_F(TrainCell, LogsStepsAndEvaluations) {
  CellConfig cell = test::copy_cell("softmax");
  cell.train.log_every = 5;
  train(cell);
  const std::vector<std::pair<int64_t, std::string>> expected = {
      {5, "train"},  {5, "validation"},  {10, "train"}, {10, "validation"},
      {12, "train"}, {12, "validation"}, {12, "test"}};
  std::vector<std::pair<int64_t, std::string>> found;
  for (const json& line : metrics()) {
    found.emplace_back(line.at("step"), line.at("split"));
    if (line.at("split") == "train") {
      EXPECT_EQ(line.size(), 5u) << line;  // step, split, loss, lr, grad_norm
    } else {
      EXPECT_EQ(line.size(), 4u) << line;  // step, split, loss, accuracy
    }
  }
  EXPECT_EQ(found, expected);
  EXPECT_FALSE(read("DONE").contains("psi"));
}

TEST_F(TrainCell, Learns) {
  CellConfig cell = test::copy_cell("elu");
  cell.train.steps = 100;
  train(cell);
  EXPECT_GT(read("DONE").at("test_accuracy"), 0.9);
}

TEST_F(TrainCell, TellsEveryStep) {
  std::vector<int64_t> steps;
  train_cell(test::copy_cell("mean"), path_, test::CopyTask(), [&](const CellProgress& progress) {
    EXPECT_EQ(progress.steps, 12);
    EXPECT_TRUE(std::isfinite(progress.loss) && progress.seconds_per_step > 0);
    steps.push_back(progress.step);
  });
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

TEST_F(TrainCell, IsDoneOnce) {
  train(test::copy_cell("relu"));
  const std::string done = read_text(path_ / "DONE"), lines = read_text(path_ / "metrics.jsonl");
  const FolderLock held(path_);  // finished results may lie where nobody can write: none is taken
  const test::CopyTask untouched([] { FAIL() << "data was asked for"; });
  EXPECT_EQ(train_cell(test::copy_cell("relu"), path_, untouched, test::no_progress),
            CellOutcome::was_done);
  EXPECT_EQ(train_cell(test::copy_cell("relu"), path_, DataRoot{}, test::no_progress),
            CellOutcome::was_done);  // whose task no registry knows
  EXPECT_EQ(read_text(path_ / "DONE"), done);
  EXPECT_EQ(read_text(path_ / "metrics.jsonl"), lines);
}

TEST_F(TrainCell, RefusesAFolderOfAnotherConfiguration) {
  train(test::copy_cell("mean"));
  CellConfig other = test::copy_cell("mean");
  other.train.lr = 0.5;
  EXPECT_THAT([&] { train(other); }, ThrowsMessage<UsageError>(test::other_configuration(
                                         path_, "train.lr is 0.01 there and 0.5 now")));
}

TEST_F(TrainCell, DamagedDoneIsWrittenAnewFromTheCheckpoint) {
  train(test::copy_cell("luna"));
  const json done = luna::testing::without_seconds(path_);
  const std::string lines = read_text(path_ / "metrics.jsonl");
  write_text(path_ / "DONE", "{\"test_acc");
  EXPECT_EQ(train(test::copy_cell("luna")), CellOutcome::trained);
  EXPECT_EQ(luna::testing::without_seconds(path_), done);
  EXPECT_EQ(read_text(path_ / "metrics.jsonl"), lines);
}

TEST_F(TrainCell, RefusesACheckpointOfAnotherConfiguration) {
  train(test::copy_cell("elu"));
  const std::string state = read_text(path_ / "checkpoint" / "state.bin");
  std::filesystem::remove_all(path_);
  write_text(path_ / "checkpoint" / "state.bin", state);
  const CellConfig other = test::copy_cell("relu");  // whose tensors have the same sizes
  write_text(path_ / "config.resolved.toml", toml_text(to_json(other)));
  EXPECT_THAT([&] { train(other); }, ThrowsMessage<UsageError>(test::other_configuration(
                                         path_, "cell is \"elu\" there and \"relu\" now")));
}

TEST_F(TrainCell, MarksDivergence) {
  CellConfig cell = test::copy_cell("luna");
  cell.train.divergence = 1e-9;
  const std::string pattern =
      "training diverged at step 1: loss [0-9.]+, gradient norm [0-9.]+; lower train.lr \\(now "
      "0.01\\)";
  EXPECT_THAT([&] { train(cell); }, ThrowsMessage<std::runtime_error>(
                                        ::testing::MatchesRegex(path_.string() + ": " + pattern)));
  const json failed = read("FAILED");
  EXPECT_EQ(failed.at("step"), 1);
  EXPECT_THAT(failed.at("reason").get<std::string>(), ::testing::MatchesRegex(pattern));
  EXPECT_THAT([&] { train(cell); },
              ThrowsMessage<std::runtime_error>(
                  path_.string() + " failed before: " + failed.at("reason").get<std::string>() +
                  "; delete the folder to try again"));
  EXPECT_EQ(reported().state, reports::RunState::kFailed);
  EXPECT_EQ(reported().note, failed.at("reason"));
}

TEST_F(TrainCell, MarksLossesThatAreNoNumbers) {
  CellConfig cell = test::copy_cell("softmax");
  cell.train.lr = 1e3;
  cell.train.weight_decay = 1e3;  // every step multiplies the parameters by -1e6
  cell.train.warmup = 0;
  EXPECT_THAT([&] { train(cell); },
              ThrowsMessage<std::runtime_error>(::testing::HasSubstr("training diverged at step")));
  EXPECT_TRUE(std::filesystem::exists(path_ / "FAILED"));
  for (const json& line : metrics()) EXPECT_TRUE(line.is_object());
}

TEST_F(TrainCell, SaysThatAFileIsInTheWay) {
  write_text(path_, "a file");
  EXPECT_THAT([&] { train(test::copy_cell("mean")); },
              ThrowsMessage<std::runtime_error>(test::disk_refusal(path_, "Not a directory")));
}

TEST_F(TrainCell, NamesTheFileThatAFullDiskRefuses) {
  CellConfig cell = test::copy_cell("softmax");
  cell.train.checkpoint_seconds = 0;
  {
    const test::FileSizeLimit limit(2048);
    EXPECT_THAT(
        [&] { train(cell); },
        ThrowsMessage<std::runtime_error>(
            "cannot write " + (path_ / "checkpoint" / "state.bin").string() + ": File too large"));
  }
  cell.train.checkpoint_seconds = 1000;
  std::filesystem::remove_all(path_);
  {
    const test::FileSizeLimit limit(1024);
    EXPECT_THAT([&] { train(cell); }, ThrowsMessage<std::runtime_error>(test::disk_refusal(
                                          path_ / "metrics.jsonl", "File too large")));
  }
  EXPECT_EQ(train(cell), CellOutcome::trained);  // with space again, it goes on
}

}  // namespace
}  // namespace luna::experiments
