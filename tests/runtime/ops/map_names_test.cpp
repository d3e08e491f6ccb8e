// The fixed maps' names with their options, and the parameters that each starts with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "tests/support/compare.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

TEST(FixedMapName, CarriesItsOption) {
  const auto option = [](const std::string& name) { return ops::find_fixed_map(name).option; };
  EXPECT_EQ(option("dpfp"), 1);
  EXPECT_EQ(option("dpfp:3"), 3);
  EXPECT_EQ(option("cosformer"), 0);
  EXPECT_EQ(option("cosformer:2048"), 2048);
  EXPECT_EQ(option("performer"), option("performer:positive"));
  EXPECT_NE(option("performer"), option("performer:hyperbolic"));
  EXPECT_EQ(option("hedgehog"), option("hedgehog:softmax"));
  EXPECT_NE(option("hedgehog"), option("hedgehog:exp"));
  EXPECT_NE(option("rff"), option("rff:norm"));
  for (const std::string& name : ops::fixed_map_variants()) EXPECT_TRUE(ops::find_fixed_map(name));
}

TEST(FixedMapName, SaysWhatIsAccepted) {
  const std::string number = " with a whole number from 1 to 2147483647.";
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"dpfp:0", "dpfp, dpfp:<nu>" + number},
      {"dpfp:x", "dpfp, dpfp:<nu>" + number},
      {"dpfp:3x", "dpfp, dpfp:<nu>" + number},
      {"dpfp:", "dpfp, dpfp:<nu>" + number},
      {"dpfp:-1", "dpfp, dpfp:<nu>" + number},
      {"dpfp:+3", "dpfp, dpfp:<nu>" + number},
      {"dpfp:03", "dpfp, dpfp:<nu>" + number},
      {"dpfp: 3", "dpfp, dpfp:<nu>" + number},
      {"luna-deep:02", "luna-deep, luna-deep:<layers> with a whole number from 1 to 9."},
      {"dpfp:99999999999999999999", "dpfp, dpfp:<nu>" + number},
      {"cosformer:0", "cosformer, cosformer:<max_length>" + number},
      {"luna-deep:0", "luna-deep, luna-deep:<layers> with a whole number from 1 to 9."},
      {"luna-deep:10", "luna-deep, luna-deep:<layers> with a whole number from 1 to 9."},
      {"luna-spline:3", "luna-spline."},
      {"elu:3", "elu."},
      {"performer:foo", "performer, performer:positive, performer:hyperbolic."},
      {"rff:", "rff, rff:norm."},
      {"hedgehog:expo", "hedgehog, hedgehog:softmax, hedgehog:exp."},
  };
  for (const auto& [name, accepted] : refusals) {
    EXPECT_EQ(
        torch_error_of([&, name = name] { draw_feature_map(name, 4, 4); }),
        "draw_feature_map: unknown option in feature_map \"" + name + "\"; accepted: " + accepted);
  }
  EXPECT_EQ(torch_error_of([] { draw_feature_map("tanh", 4, 4); }),
            "draw_feature_map: unknown feature_map \"tanh\"; known: elu, relu, relu2, identity, "
            "performer, rff, rfa, cosformer, dpfp, taylor2, t2r, hedgehog, polaformer, luna-deep, "
            "luna-spline.");
  EXPECT_THAT(torch_error_of([] { draw_feature_map(std::string(1000000, 'x') + "y", 4, 4); }),
              ::testing::StartsWith("draw_feature_map: unknown feature_map \"" +
                                    std::string(64, 'x') + "..\"; known: elu, "));
  const std::tuple<int, std::string, std::string> cuts[] = {
      {61, "\U0001f600", ""}, {62, "\u00e9y", "\u00e9"}, {63, "\u00e9", ""}};
  for (const auto& [before, last, kept] : cuts) {  // 64 bytes at most, no part of a character
    const std::string letters(before, 'x'), name = letters + last;
    EXPECT_THAT(torch_error_of([&] { draw_feature_map(name, 4, 4); }),
                ::testing::StartsWith("draw_feature_map: unknown feature_map \"" + letters + kept +
                                      "..\"; known: elu, "));
  }
  EXPECT_THAT(torch_error_of([] { draw_feature_map(std::string("\0e\nlu", 5), 4, 4); }),
              ::testing::StartsWith("draw_feature_map: unknown feature_map \"\\x00e\\x0alu\"; "));
  EXPECT_EQ(torch_error_of([] { draw_feature_map("rff", 0, 4); }),
            "draw_feature_map: m and d must be > 0, got 0 and 4.");
}

/// At m = 20, d = 8.
std::vector<int64_t> sizes_of(const ops::MapParam& row) {
  const std::map<char, int64_t> sizes{{'m', 20}, {'d', 8},  {'L', 8}, {'K', 33},
                                      {'1', 64}, {'2', 64}, {'3', 64}};
  std::vector<int64_t> shape;
  for (const char* letter = row.letters; *letter; ++letter) shape.push_back(sizes.at(*letter));
  return shape;
}

TEST(DrawFeatureMap, FillsWhatTheMapLists) {
  for (const std::string& name : ops::fixed_map_variants()) {
    const ops::NamedMap map = ops::find_fixed_map(name);
    const auto drawn = [&](uint64_t seed) {
      return draw_feature_map(name, 20, 8, at::detail::createCPUGenerator(seed));
    };
    const auto params = drawn(1), same = drawn(1), other = drawn(2);
    const std::vector<ops::MapParam> rows = map.params();
    ASSERT_EQ(params.size(), rows.size()) << name;
    for (size_t i = 0; i < params.size(); ++i) {
      EXPECT_EQ(params[i].scalar_type(), at::kFloat) << name;
      EXPECT_EQ(params[i].sizes(), sizes_of(rows[i])) << name;
      EXPECT_TRUE(same_bits(params[i], same[i])) << name;
      if (rows[i].kind == ops::ParamKind::drawn) {
        EXPECT_FALSE(same_bits(params[i], other[i])) << name;
      }
    }
  }
}

TEST(DrawFeatureMap, DrawsThePublishedDistributions) {
  at::manual_seed(5);
  const auto draw = [](const char* name) { return draw_feature_map(name, 4096, 16); };
  const auto deviation = [](const at::Tensor& x) { return x.std().item<double>(); };
  for (const char* name : {"rff", "rfa"}) {
    const at::Tensor w = draw(name)[0];
    EXPECT_NEAR(w.mean().item<double>(), 0, 0.02) << name;
    EXPECT_NEAR(deviation(w), 1, 0.02) << name;
  }
  EXPECT_TRUE(draw("rfa")[1].eq(1).all().item<bool>());
  EXPECT_TRUE(draw("polaformer")[0].eq(0).all().item<bool>());
  const double r = 0.25;  // 1/sqrt(d)
  for (const at::Tensor& x : draw("t2r")) {
    EXPECT_LE(x.abs().max().item<double>(), r);
    EXPECT_NEAR(deviation(x), r / std::sqrt(3.0), 0.01);
  }
  const auto hedgehog = draw("hedgehog");
  EXPECT_TRUE(hedgehog[0].narrow(0, 0, 16).equal(at::eye(16)));
  EXPECT_NEAR(deviation(hedgehog[0].narrow(0, 16, 4080)), r / std::sqrt(3.0), 0.01);
  EXPECT_TRUE(hedgehog[1].eq(0).all().item<bool>());
  EXPECT_TRUE(draw_feature_map("hedgehog", 3, 5)[0].equal(at::eye(3, 5)));
}

TEST(DrawFeatureMap, BeginsLunasOtherPsisAsLuna) {
  at::manual_seed(5);
  const auto deep = draw_feature_map("luna-deep", 4096, 16);
  EXPECT_NEAR(deep[0].std().item<double>(), 0.25, 0.01);
  EXPECT_TRUE(deep[1].eq(0).all().item<bool>());
  const auto expect_uniform = [](const at::Tensor& x, double r) {
    EXPECT_LE(x.abs().max().item<double>(), r);
    EXPECT_GE(x.abs().max().item<double>(), 0.7 * r);
  };
  for (const size_t i : {2, 3}) expect_uniform(deep[i], 1.0);
  for (const size_t i : {4, 5, 6, 7}) expect_uniform(deep[i], 0.125);
  const auto spline = draw_feature_map("luna-spline", 4, 16);
  EXPECT_TRUE(spline[2].equal(at::linspace(-4, 4, 33)));
  EXPECT_GT(spline[3].std(1).min().item<double>(), 0.01);  // no constant channel
}

}  // namespace
}  // namespace luna::test
