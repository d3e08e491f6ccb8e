// Checkpoints: whole or refused.
#include "experiments/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/compare.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using luna::testing::write_text;

class CheckpointFile : public ::testing::Test {
 protected:
  CheckpointFile() {
    at::manual_seed(2);
    saved_ = {{at::randn({5, 3}), at::randint(100, {7}, at::kLong), at::zeros({0}),
               at::detail::getDefaultCPUGenerator().get_state()},
              {{"step", 7}, {"seconds", 1.5}, {"metrics", 1234}}};
    save_checkpoint(path_, saved_);
  }
  void expect_damaged(const std::string& how) {
    EXPECT_THAT([&] { load_checkpoint(path_); },
                ::testing::ThrowsMessage<std::runtime_error>(
                    path_.string() + ": damaged checkpoint (" + how + "); delete " +
                    path_.parent_path().string() + " to start this cell again"));
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "checkpoint" / "state.bin";
  Checkpoint saved_;
};

TEST_F(CheckpointFile, ComesBackAsItWasSaved) {
  const Checkpoint loaded = load_checkpoint(path_);
  ASSERT_EQ(loaded.tensors.size(), saved_.tensors.size());
  for (size_t i = 0; i < loaded.tensors.size(); ++i) {
    EXPECT_EQ(loaded.tensors[i].dtype(), saved_.tensors[i].dtype());
    EXPECT_TRUE(loaded.tensors[i].equal(saved_.tensors[i])) << i;
  }
  EXPECT_EQ(loaded.facts, saved_.facts);
}

TEST_F(CheckpointFile, ReplacesTheOneBefore) {
  saved_.facts["step"] = 8;
  save_checkpoint(path_, saved_);
  EXPECT_EQ(load_checkpoint(path_).facts.at("step"), 8);
}

TEST_F(CheckpointFile, IsRefusedWithAnyByteFlipped) {
  const std::string whole = read_text(path_);
  const size_t head = whole.find('\n') + 1;
  for (const size_t at : {head, head + (whole.size() - head) / 2, whole.size() - 1, head - 2}) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    write_text(path_, flipped);
    expect_damaged("its checksum does not match");
  }
}

TEST_F(CheckpointFile, IsRefusedCutShort) {
  const std::string whole = read_text(path_);
  for (const size_t size : {whole.size() - 1, whole.size() / 2, whole.find('\n') + 1}) {
    write_text(path_, whole.substr(0, size));
    expect_damaged("its checksum does not match");
  }
}

TEST_F(CheckpointFile, IsRefusedEmptyOrForeign) {
  for (const char* text : {"", "\n", "luna checkpoint 2 abc\n", "PK\x03\x04 another archive"}) {
    write_text(path_, text);
    expect_damaged("not a checkpoint of this program");
  }
}

TEST_F(CheckpointFile, IsNotRestoredIntoAnotherModel) {
  const auto zeros = [&] {
    std::vector<at::Tensor> own;
    for (size_t i = 0; i < 3; ++i) own.push_back(at::zeros_like(saved_.tensors[i]));
    return own;
  };
  std::vector<at::Tensor> own = zeros();
  restore(path_, saved_, own);
  for (size_t i = 0; i < own.size(); ++i) EXPECT_TRUE(own[i].equal(saved_.tensors[i])) << i;
  const auto refused = ::testing::ThrowsMessage<std::runtime_error>(
      path_.string() + ": damaged checkpoint (its tensors are of another model); delete " +
      path_.parent_path().string() + " to start this cell again");
  std::vector<std::vector<at::Tensor>> others(3, zeros());
  others[0][1] = at::zeros({8}, at::kLong);
  others[1][0] = at::zeros({5, 3}, at::kDouble);
  others[2].insert(others[2].end(), 2, at::zeros({1}));
  for (const auto& other : others) {
    EXPECT_THAT([&] { restore(path_, saved_, other); }, refused);
    EXPECT_EQ(other[0].abs().sum().item<double>(), 0);
  }
}

TEST_F(CheckpointFile, SaysWhereItCannotBeWritten) {
  const std::filesystem::path below = folder_.path() / "file" / "state.bin";
  write_text(folder_.path() / "file", "in the way");
  EXPECT_THAT(
      [&] { save_checkpoint(below, saved_); },
      ::testing::ThrowsMessage<std::runtime_error>("cannot write " + below.string() +
                                                   ": Not a directory; a part of its path is a "
                                                   "file: choose another folder"));
}

}  // namespace
}  // namespace luna::experiments
