// Segment form: where a floor cuts segments, and where the hand-written search finds tokens.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/locate.h"
#include "runtime/kernels/cpu/processor.h"
#include "runtime/kernels/cpu/search_tree.h"
#include "runtime/kernels/cpu/segment_map.h"

namespace luna::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kManyTokens = 1 << 20;

at::Tensor tensor(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::tensor(values, at::kFloat).view(shape);
}

MapArgs pwl(const at::Tensor& knots, const at::Tensor& table, float floor) {
  MapArgs args;
  args.map = "pwl";
  args.L = table.size(2);
  args.proj = at::ones({3, 5});
  args.bias = at::zeros({3});
  args.knots = knots;
  args.table = table.to(at::kDouble);
  args.floor = floor;
  return args;
}

MapArgs random_pwl(int64_t knots, int64_t L, float floor) {
  at::manual_seed(knots + L);
  return pwl(std::get<0>(at::randn({knots}).sort()), at::randn({knots + 1, 2, L}), floor);
}

/// phi_l(t) by the segment that t lies in.
double evaluate(const SegmentMap& map, int64_t l, float t) {
  const float* knots = map.knots().data();
  const int64_t s = std::upper_bound(knots, knots + map.knots().size(), t) - knots;
  const float* c = map.coefficients()[l][s].const_data_ptr<float>();
  const double base = map.base().const_data_ptr<float>()[s];
  return c[0] + c[1] * (t - base);
}

class Floors : public ::testing::TestWithParam<float> {};

/// A table with a floor equals the same table cut where channels cross it.
TEST_P(Floors, BecomeSegments) {
  const MapArgs args = random_pwl(20, 3, GetParam());
  const auto map = SegmentMap::where_it_pays(args, kManyTokens, 4);
  ASSERT_TRUE(map);
  for (float t = -4.0f; t < 4.0f; t += 0.003f) {
    const int64_t s =
        at::searchsorted(args.knots, at::scalar_tensor(t), false, true).item<int64_t>();
    for (int64_t l = 0; l < args.L; l++) {
      const double psi =
          args.table[s][0][l].item<double>() * t + args.table[s][1][l].item<double>();
      EXPECT_NEAR(evaluate(*map, l, t), std::max<double>(psi, GetParam()), 2e-6) << t << " " << l;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(SegmentMap, Floors, ::testing::Values(0.0f, 0.25f, -0.5f, -kInf));

TEST(SegmentMap, KeepsNanAndSegmentsWithoutWidth) {
  const MapArgs args =
      pwl(tensor({1.0f, 1.0f, kInf}, {3}), tensor({1, 0, 2, 0, kNan, 0, -1, 3}, {4, 2, 1}), 0.0f);
  const auto map = SegmentMap::where_it_pays(args, kManyTokens, 4);
  ASSERT_TRUE(map);
  EXPECT_EQ(evaluate(*map, 0, -1.0f), 0.0);
  EXPECT_EQ(evaluate(*map, 0, 0.5f), 0.5);
  EXPECT_TRUE(std::isnan(evaluate(*map, 0, 7.0f)));
}

/// What a floor swallows has no gradient; the rest returns to the table's own rows.
TEST(SegmentMap, UnfoldsGradientsToTheTable) {
  const MapArgs args = pwl(tensor({0.0f}, {1}), tensor({1, 1, 2, -4}, {2, 2, 1}), 0.0f);
  const auto map = SegmentMap::where_it_pays(args, kManyTokens, 4);
  ASSERT_TRUE(map);
  ASSERT_EQ(map->segments(), 4);  // floored, t + 1 from -1, floored from 0, 2 t - 4 from 2
  MapGrads grads;
  map->unfold(at::arange(8, at::kDouble).view({1, 4, 2}), grads);
  // The second segment's base is its end nearer to 0, the last one's 2.
  EXPECT_TRUE(grads.g0.equal(at::tensor({2.0, 6.0}, at::kDouble).view({2, 1})));
  EXPECT_TRUE(grads.g1.equal(at::tensor({3.0, 7.0 + 12.0}, at::kDouble).view({2, 1})));
}

TEST(SegmentMap, IsNotMadeWhereItDoesNotPay) {
  const MapArgs args = random_pwl(64, 8, 0.0f);
  EXPECT_FALSE(SegmentMap::where_it_pays(args, 64, 32));
  EXPECT_TRUE(SegmentMap::where_it_pays(args, 1000, 32));
  EXPECT_FALSE(SegmentMap::where_it_pays(args, 1000, 0));
  EXPECT_FALSE(SegmentMap::where_it_pays(random_pwl(300, 1, -kInf), kManyTokens, 32));
}

/// The end of every segment that is nearer to 0, or 0 where that is far out.
at::Tensor segment_bases(const std::vector<float>& knots) {
  at::Tensor base = at::zeros({int64_t{1} << kMaxLocateLevels}, at::kFloat);
  for (size_t s = 0; s <= knots.size(); s++) {
    const float begin = s > 0 ? knots[s - 1] : -kInf, end = s < knots.size() ? knots[s] : kInf;
    const float nearer = std::abs(begin) <= std::abs(end) ? begin : end;
    if (std::abs(nearer) < kFarthestBase) base[static_cast<int64_t>(s)] = nearer;
  }
  return base;
}

class Locate : public ::testing::TestWithParam<std::tuple<int, bool>> {};

/// Every shape of the search and tail of tokens, ties, infinities and NaN, with bases and without,
/// against a plain search.
TEST_P(Locate, FindsTheSegmentOfEveryToken) {
  const auto [knots, avx512] = GetParam();
  if (avx512 && !has_avx512()) GTEST_SKIP() << "no AVX-512 on this machine";
  at::manual_seed(knots);
  std::vector<float> sorted(knots);
  for (float& knot : sorted) knot = std::round(at::randn({}).item<float>() * 8) / 4;
  if (knots > 15) sorted[3] = 2e18f, sorted[4] = -kFarthestBase;
  std::sort(sorted.begin(), sorted.end());
  const SearchLevels levels(sorted);
  const at::Tensor bases = segment_bases(sorted), none = at::zeros_like(bases);
  const auto of_zero = std::upper_bound(sorted.begin(), sorted.end(), 0.0f) - sorted.begin();
  for (const auto& [tokens, anchored] : std::vector<std::pair<int64_t, bool>>{
           {1, true}, {1, false}, {15, true}, {16, false}, {37, true}, {37, false}}) {
    const int64_t d = 2, projections = 32, pitch = 48, row = 5;
    at::Tensor x = (at::randn({tokens, row}) * 8).round() / 8;
    if (tokens > 4) {
      x[1][0] = kInf;
      x[2][0] = -kInf;
      x[3][0] = kNan;
      x[4][0] = 1e19f;
      x[5][0] = -1e18f;
    }
    const at::Tensor base = anchored ? bases : none;
    const at::Tensor proj = at::ones({d, projections}), bias = at::arange(projections) * 0.25f;
    at::Tensor t = at::full({projections, pitch}, -7.0f),
               segment = at::full({projections, pitch}, -7);
    segment = segment.to(at::kInt);
    const at::Tensor offsets = bias.to(at::kFloat).contiguous();
    (avx512 ? locate_avx512 : locate_avx2)(
        {x.const_data_ptr<float>(), d, row, tokens, proj.const_data_ptr<float>(),
         offsets.const_data_ptr<float>(), projections, levels.get(),
         anchored ? base.const_data_ptr<float>() : nullptr, base.const_data_ptr<float>()[of_zero],
         t.data_ptr<float>(), segment.data_ptr<int32_t>(), pitch});
    for (int64_t n = 0; n < tokens; n++) {
      for (int64_t i = 0; i < projections; i++) {
        const float want = (x[n][0] + x[n][1] + offsets[i]).item<float>();
        const int64_t passed =
            std::count_if(sorted.begin(), sorted.end(), [&](float k) { return k <= want; });
        ASSERT_EQ(segment[i][n].item<int32_t>(), passed) << n << " " << i;
        const float got = t[i][n].item<float>(), from_base = want - base[passed].item<float>();
        ASSERT_TRUE(got == from_base || (std::isnan(got) && std::isnan(from_base)))
            << n << " " << i << ": " << got << ", not " << from_base;
      }
    }
    // Whole vectors of tokens are written, nothing beyond them.
    const int64_t written = tiles::round_up(tokens, avx512 ? 16 : 8);
    EXPECT_TRUE(t.narrow(1, written, pitch - written).eq(-7.0f).all().item<bool>());
  }
}

INSTANTIATE_TEST_SUITE_P(Knots, Locate,
                         ::testing::Combine(::testing::Values(0, 1, 15, 16, 31, 32, 47, 48, 64, 79,
                                                              80, 127, 128, 143, 144, 255),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return std::to_string(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) ? "_avx512" : "_avx2");
                         });

}  // namespace
}  // namespace luna::kernels
