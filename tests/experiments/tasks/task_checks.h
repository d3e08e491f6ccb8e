// What every task promises: batches of the stated shape, equal bits for equal arguments.
#pragma once

#include <gtest/gtest.h>

#include "experiments/tasks/task.h"

namespace luna::experiments {

inline void expect_same(const Batch& a, const Batch& b) {
  EXPECT_TRUE(at::equal(a.ids, b.ids));
  EXPECT_TRUE(at::equal(a.labels, b.labels));
}

inline void expect_in_range(const Batch& batch, const TaskShape& shape) {
  EXPECT_EQ(batch.ids.scalar_type(), at::kLong);
  EXPECT_LE(batch.ids.size(1), shape.length);
  EXPECT_GE(batch.ids.min().item<int64_t>(), 0);
  EXPECT_LT(batch.ids.max().item<int64_t>(), shape.vocabulary);
  const at::Tensor asked = batch.labels.masked_select(batch.labels != kNoLabel);
  EXPECT_GE(asked.min().item<int64_t>(), 0);
  EXPECT_LT(asked.max().item<int64_t>(), shape.classes);
}

/// Steps in any order, seeds and cuts of the held-out splits.
inline void expect_pure_batches(const Task& task) {
  const Batch third = task.train_batch(8, 5, 3);
  expect_in_range(third, task.shape());
  task.train_batch(8, 6, 0);
  expect_same(task.train_batch(8, 5, 3), third);
  EXPECT_FALSE(at::equal(task.train_batch(8, 5, 3).labels, task.train_batch(8, 6, 3).labels));
  EXPECT_FALSE(at::equal(task.train_batch(8, 5, 3).labels, task.train_batch(8, 5, 4).labels));
  for (const Split split : {Split::validation, Split::test}) {
    const Batch four = task.held_out(split, 0, 4);
    expect_in_range(four, task.shape());
    expect_same(task.held_out(split, 0, 4), four);
    EXPECT_TRUE(at::equal(task.held_out(split, 2, 2).labels, four.labels.slice(0, 2)));
    EXPECT_THROW(task.held_out(split, task.examples(split) - 1, 2), std::out_of_range);
  }
}

}  // namespace luna::experiments
