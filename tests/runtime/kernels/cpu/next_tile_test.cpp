// Which memory is asked for ahead: the rows of the next tile, each line once, and nothing else.
#include "runtime/kernels/cpu/next_tile.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace luna::kernels {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kMultiplications = 1 << 12;  ///< of a token

struct Taken {
  std::map<const char*, int> lines;  ///< how often each was asked for
  int64_t written = 0;
};

Taken take_all(NextTile& next, int64_t most) {
  Taken taken;
  for (auto lines = next.take(most); lines.count > 0; lines = next.take(most)) {
    EXPECT_LE(lines.count, most);
    for (int64_t k = 0; k < lines.count; k++) taken.lines[lines.first + k * kLine]++;
    if (lines.written) taken.written += lines.count;
  }
  return taken;
}

/// The lines of tokens n, ... of (b, h) from their first byte on, each once.
std::map<const char*, int> lines_of(const at::Tensor& t, int64_t b, int64_t h, int64_t n,
                                    int64_t tokens) {
  std::map<const char*, int> lines;
  for (int64_t k = n; k < n + tokens; k++) {
    const at::Tensor row = t[b][h][k];
    const char* first = static_cast<const char*>(row.data_ptr());
    for (int64_t byte = 0; byte < row.numel() * row.element_size(); byte += kLine) {
      lines[first + byte] = 1;
    }
  }
  return lines;
}

TEST(NextTile, AsksForEveryLineOfTheNextTileOnce) {
  const at::Tensor x = at::zeros({2, 3, 40, 32});                  // rows after each other
  const at::Tensor y = at::zeros({2, 40, 3, 44}).transpose(1, 2);  // rows apart
  const at::Tensor z = at::zeros({2, 3, 40, 64}, at::kBFloat16);
  const TokenRows x_rows(x), y_rows(y), z_rows(z), nothing{at::Tensor()};
  NextTile next(16, kMultiplications, {&x_rows, &nothing, &y_rows}, {&nothing, &z_rows});
  for (const int64_t most : {1, 3, 8, 1000}) {
    next.follow(1, 2, 8, 16);
    const Taken taken = take_all(next, most);
    auto expected = lines_of(x, 1, 2, 24, 16);
    expected.merge(lines_of(y, 1, 2, 24, 16));
    const auto written = lines_of(z, 1, 2, 24, 16);
    expected.insert(written.begin(), written.end());
    EXPECT_EQ(taken.lines, expected) << most;
    EXPECT_EQ(taken.written, static_cast<int64_t>(written.size())) << most;
  }
}

TEST(NextTile, StopsAtTheLastToken) {
  const at::Tensor x = at::zeros({1, 2, 40, 32});
  const TokenRows rows(x);
  NextTile next(16, kMultiplications, {&rows}, {});
  next.follow(0, 0, 16, 16);
  EXPECT_EQ(take_all(next, 8).lines, lines_of(x, 0, 0, 32, 8));
  next.follow(0, 0, 32, 8);
  EXPECT_EQ(take_all(next, 8).lines.size(), 0u);
  EXPECT_EQ(NextTile(16, kMultiplications, {&rows}, {}).take(8).count, 0);
}

TEST(NextTile, FollowsAnotherTileBeforeTheLastWasAskedForWhole) {
  const at::Tensor x = at::zeros({1, 1, 40, 64});
  const TokenRows rows(x);
  NextTile next(8, kMultiplications, {&rows}, {});
  next.follow(0, 0, 0, 8);
  next.take(5);
  next.follow(0, 0, 8, 8);
  EXPECT_EQ(take_all(next, 8).lines, lines_of(x, 0, 0, 16, 8));
}

TEST(NextTile, AsksInStepWithTheProducts) {
  const at::Tensor x = at::zeros({1, 1, 64, 64}), y = at::zeros({1, 1, 64, 32});
  const TokenRows x_rows(x), y_rows(y);
  NextTile next(32, kMultiplications, {&x_rows}, {&y_rows});
  next.follow(0, 0, 0, 32);
  for (int k = 0; k < 32; k++) next.ask(kMultiplications / 2);
  EXPECT_EQ(take_all(next, 8).lines.size(), 96u);
  next.follow(0, 0, 0, 32);
  for (int k = 0; k < 32; k++) next.ask(kMultiplications);
  EXPECT_EQ(take_all(next, 8).lines.size(), 0u);
  next.follow(0, 0, 0, 32);
  next.ask(32 * kMultiplications);
  EXPECT_EQ(take_all(next, 8).lines.size(), 128u) << "never more than 64 at a time";
}

}  // namespace
}  // namespace luna::kernels
