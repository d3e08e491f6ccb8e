#include "runtime/ops/overlap.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace luna::ops {
namespace {

struct Pooled {
  std::string name;
  at::Tensor state, norm;
};

/// Where state [B, Hk, D, dv] and norm [B, Hk, D] of one pool are usually kept.
std::vector<Pooled> usual_layouts() {
  constexpr int64_t B = 3, Hk = 2, D = 5, dv = 4;
  const at::Tensor columns = at::zeros({B, Hk, D, dv + 1}), rows = at::zeros({B, Hk, D, dv + 3});
  const at::Tensor heads = at::zeros({B, Hk, D * (dv + 1)});
  const at::Tensor slots = at::zeros({B, Hk * D * (dv + 1)});
  const at::Tensor pool = at::zeros({B * Hk * D * (dv + 1)});
  const int64_t states = Hk * D * dv, all = B * states;
  return {
      {"last column", columns.narrow(3, 0, dv), columns.select(3, dv)},
      {"first column", columns.narrow(3, 1, dv), columns.select(3, 0)},
      {"padded rows", rows.narrow(3, 0, dv), rows.select(3, dv + 1)},
      {"behind a head", heads.narrow(2, 0, D * dv).view({B, Hk, D, dv}),
       heads.narrow(2, D * dv, D)},
      {"behind a sequence", slots.narrow(1, 0, states).view({B, Hk, D, dv}),
       slots.narrow(1, states, Hk * D).view({B, Hk, D})},
      {"behind all", pool.narrow(0, 0, all).view({B, Hk, D, dv}),
       pool.narrow(0, all, B * Hk * D).view({B, Hk, D})},
  };
}

TEST(Overlap, UsualLayoutsOfOnePoolAreProvenApartByStrides) {
  for (const Pooled& pooled : usual_layouts()) {
    EXPECT_TRUE(apart_by_strides(pooled.state, pooled.norm)) << pooled.name;
    EXPECT_TRUE(apart_by_strides(pooled.norm, pooled.state)) << pooled.name;
  }
}

TEST(Overlap, ColumnOfTheStateIsNotApart) {
  for (const Pooled& pooled : usual_layouts()) {
    for (const int64_t column : {0, 3}) {
      const at::Tensor inside = pooled.state.select(3, column);
      EXPECT_FALSE(apart_by_strides(pooled.state, inside)) << pooled.name;
      EXPECT_TRUE(share_elements(pooled.state, inside)) << pooled.name;
    }
  }
}

/// A view of up to three dimensions whose elements all lie in the memory.
at::Tensor random_view(const at::Tensor& memory, std::mt19937& random) {
  const auto draw = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  std::vector<int64_t> sizes, strides;
  for (int64_t i = draw(1, 3); i > 0; --i) {
    sizes.push_back(draw(1, 4));
    strides.push_back(draw(0, 24));
  }
  return memory.as_strided(sizes, strides, draw(0, 40));
}

std::multiset<int64_t> elements(const at::Tensor& view) {
  const at::Tensor places = at::arange(view.storage().nbytes() / 4, at::kLong)
                                .as_strided(view.sizes(), view.strides(), view.storage_offset())
                                .contiguous();
  return {places.data_ptr<int64_t>(), places.data_ptr<int64_t>() + places.numel()};
}

TEST(Overlap, AgreesWithTheElementsOfRandomViews) {
  const at::Tensor memory = at::zeros({300});
  std::mt19937 random(5);
  int proven = 0, apart = 0;
  for (int i = 0; i < 3000; ++i) {
    const at::Tensor x = random_view(memory, random), other = random_view(memory, random);
    const std::multiset<int64_t> mine = elements(x), theirs = elements(other);
    bool shared = false;
    for (const int64_t place : theirs) shared = shared || mine.count(place) > 0;
    ASSERT_EQ(share_elements(x, other), shared) << x.sizes() << x.strides() << other.strides();
    ASSERT_FALSE(apart_by_strides(x, other) && shared);
    const std::set<int64_t> distinct(mine.begin(), mine.end());
    ASSERT_TRUE(may_overlap_itself(x) || distinct.size() == mine.size());
    proven += apart_by_strides(x, other);
    apart += !shared;
  }
  EXPECT_GT(proven, apart / 4);
}

}  // namespace
}  // namespace luna::ops
