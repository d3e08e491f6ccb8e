// Promise: the Image task reads Fashion-MNIST pixel by pixel, in three disjoint splits.
#include <gtest/gtest.h>

#include "experiments/config/options.h"
#include "tests/experiments/tasks/task_checks.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::error_of;
using luna::testing::TemporaryFolder;

std::unique_ptr<Task> image(const nlohmann::json& options) {
  return find_task("image").make(options, {"no-such-folder"});
}

TEST(Image, PureBatchesAtEverySize) {
  for (const int64_t size : {32, 14, 7}) {
    const auto task = image({{"size", size}});
    EXPECT_EQ(task->shape().length, size * size);
    EXPECT_EQ(task->shape().vocabulary, 257);
    EXPECT_EQ(task->shape().classes, 10);
    EXPECT_EQ(task->train_batch(2, 0, 0).ids.size(1), size * size);
    expect_pure_batches(*task);
  }
}

TEST(Image, SplitsOfTheTwoFiles) {
  const auto task = image({{"size", 7}});
  EXPECT_EQ(task->examples(Split::train), 54'000);
  EXPECT_EQ(task->examples(Split::validation), 6'000);
  EXPECT_EQ(task->examples(Split::test), 10'000);
  EXPECT_DOUBLE_EQ(task->majority_class(), 0.1);
  // The first labels of the test file and the last of the training file.
  EXPECT_TRUE(at::equal(task->held_out(Split::test, 0, 5).labels,
                        at::tensor({9, 2, 1, 1, 6}).to(at::kLong)));
  EXPECT_TRUE(at::equal(task->held_out(Split::validation, 5'995, 5).labels,
                        at::tensor({5, 1, 3, 0, 5}).to(at::kLong)));
}

TEST(Image, BlackPixelsArePaddingOnlyUnderMaskBlack) {
  const Batch plain = image({})->held_out(Split::test, 0, 20);
  const auto masked_task = image({{"mask_black", true}});
  const Batch masked = masked_task->held_out(Split::test, 0, 20);
  EXPECT_EQ(masked_task->shape().vocabulary, 256);
  EXPECT_TRUE(at::equal(plain.ids, masked.ids + 1));
  EXPECT_EQ(plain.ids.min().item<int64_t>(), 1);
  EXPECT_EQ(masked.ids.min().item<int64_t>(), 0);
}

TEST(Image, SaysWhatItStandsInFor) {
  const nlohmann::json provenance = image({{"size", 14}})->provenance();
  EXPECT_EQ(provenance.at("files").size(), 4u);
  EXPECT_EQ(provenance.at("note"),
            "Fashion-MNIST, a stand-in for LRA's grey CIFAR-10: 54000 training, 6000 validation "
            "(the last of the training file) and 10000 test images, 14 x 14");
}

TEST(Image, TheUsersOwnCopyComesFirst) {
  const TemporaryFolder root;
  const auto path = root.write("fashion-mnist/train-images-idx3-ubyte", "damaged");
  root.write("fashion-mnist/train-labels-idx1-ubyte", "");
  EXPECT_EQ(
      error_of([&] { find_task("image").make({}, {root.path()}); }),
      path.string() + ": 7 bytes are too few for an IDX header of 16; restore it from its source");
}

TEST(Image, VerifySaysOneLine) {
  std::vector<std::string> lines;
  find_task("image").verify({}, {}, [&](const std::string& line) { lines.push_back(line); });
  EXPECT_EQ(
      lines,
      (std::vector<std::string>{"Fashion-MNIST in /usr/share/datasets/fashion-mnist is whole"}));
}

TEST(Image, RefusesOtherSizes) {
  EXPECT_EQ(error_of<UsageError>([] {
              image({{"size", 28}});
            }),
            "task.size is 28; expected 32, 14 or 7");
}

}  // namespace
}  // namespace luna::experiments
