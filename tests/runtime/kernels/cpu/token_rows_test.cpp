// Where a tile's tokens may be written in the caller's memory, and what is dropped on the way
// there.
#include <gtest/gtest.h>

#include "runtime/kernels/cpu/tile.h"

namespace luna::kernels {
namespace {

constexpr int64_t kTokens = 64, kWidth = 32;

/// The tokens' memory after a target of all NaN (a kept token's value is 1) was stored.
at::Tensor stored(const at::Tensor& memory, const float* weight, bool& in_place) {
  const TokenRows rows(memory);
  const Tile tile(kWidth, kTokens);
  const Matrix target = rows.target(0, 0, 0, kTokens, weight, tile);
  in_place = target.data != tile.data();
  for (int64_t n = 0; n < kTokens; n++) {
    const bool dropped = weight && weight[n] == 0;
    std::fill_n(target.data + n * target.stride1, kWidth, dropped ? NAN : 1.0f);
  }
  rows.store_target(0, 0, 0, kTokens, target, weight);
  return memory;
}

TEST(TokenRows, AreWrittenInPlaceUnlessTokensAreDropped) {
  std::vector<float> weight(kTokens, 0.5f);
  weight[3] = weight[kTokens - 1] = 0.0f;
  at::Tensor kept = at::ones({kTokens});
  kept[3] = kept[kTokens - 1] = 0;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor memory = at::full({1, 1, kTokens, kWidth}, 7.0, dtype);
    bool in_place = false;
    EXPECT_TRUE(at::all(stored(memory, nullptr, in_place) == 1).item<bool>());
    EXPECT_EQ(in_place, dtype == at::kFloat);
    const at::Tensor selected = stored(memory, weight.data(), in_place)[0][0].to(at::kFloat);
    EXPECT_TRUE(at::equal(selected, kept.unsqueeze(1).expand({kTokens, kWidth})));
    EXPECT_FALSE(in_place);
  }
}

}  // namespace
}  // namespace luna::kernels
