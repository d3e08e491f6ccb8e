// Promise: every query's label is the value that its key was bound to.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/experiments/tasks/task_checks.h"

namespace luna::experiments {
namespace {

constexpr int64_t kPairs = 16;
constexpr int64_t kKeys = 20;
constexpr int64_t kValues = 5;

std::unique_ptr<Task> recall() {
  return find_task("recall").make(
      {{"pairs", kPairs}, {"keys", kKeys}, {"values", kValues}, {"held_out", 50}}, {});
}

void expect_bound(const Batch& batch) {
  const auto ids = batch.ids.accessor<int64_t, 3>();
  const auto labels = batch.labels.accessor<int64_t, 2>();
  for (int64_t b = 0; b < batch.ids.size(0); ++b) {
    std::map<int64_t, int64_t> bound;
    for (int64_t i = 0; i < kPairs; ++i) {
      EXPECT_TRUE(bound.emplace(ids[b][i][0], ids[b][i][1]).second) << "a key twice";
      EXPECT_GT(ids[b][i][1], kKeys);
      EXPECT_LE(ids[b][i][1], kKeys + kValues);
      EXPECT_EQ(labels[b][i], kNoLabel);
    }
    std::set<int64_t> asked;
    for (int64_t i = kPairs; i < 2 * kPairs; ++i) {
      EXPECT_TRUE(asked.insert(ids[b][i][0]).second) << "a query twice";
      EXPECT_EQ(ids[b][i][1], 1 + kKeys + kValues);
      EXPECT_EQ(labels[b][i], bound.at(ids[b][i][0]) - 1 - kKeys);
    }
  }
}

TEST(Recall, LabelsAreTheBoundValues) {
  const auto task = recall();
  EXPECT_EQ(task->shape().length, 2 * kPairs);
  EXPECT_EQ(task->shape().vocabulary, kKeys + kValues + 2);
  EXPECT_EQ(task->shape().classes, kValues);
  EXPECT_TRUE(task->shape().per_token);
  expect_bound(task->train_batch(32, 1, 0));
  expect_bound(task->held_out(Split::validation, 0, 50));
  expect_bound(task->held_out(Split::test, 0, 50));
}

TEST(Recall, PureBatches) { expect_pure_batches(*recall()); }

TEST(Recall, SplitsShareNoSequence) {
  const auto task = recall();
  std::set<std::string> seen;
  size_t sequences = 0;
  for (const Batch& batch :
       {task->train_batch(50, 0, 0), task->train_batch(50, 0, 1), task->train_batch(50, 1, 0),
        task->held_out(Split::validation, 0, 50), task->held_out(Split::test, 0, 50)}) {
    for (int64_t b = 0; b < 50; ++b, ++sequences) {
      const at::Tensor row = batch.ids[b].contiguous();
      seen.emplace(reinterpret_cast<const char*>(row.const_data_ptr()), row.nbytes());
    }
  }
  EXPECT_EQ(seen.size(), sequences);
}

TEST(Recall, MajorityIsNearChance) {
  EXPECT_GE(recall()->majority_class(), 1.0 / kValues);
  EXPECT_LT(recall()->majority_class(), 1.2 / kValues);
}

}  // namespace
}  // namespace luna::experiments
