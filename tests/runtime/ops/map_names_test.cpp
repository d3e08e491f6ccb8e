// The fixed maps' names with their options, and the parameters that each starts with.
#include <gtest/gtest.h>

#include <cmath>

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
      {"dpfp:99999999999999999999", "dpfp, dpfp:<nu>" + number},
      {"cosformer:0", "cosformer, cosformer:<max_length>" + number},
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
            "performer, rff, rfa, cosformer, dpfp, taylor2, t2r, hedgehog, polaformer.");
  EXPECT_EQ(torch_error_of([] { draw_feature_map("rff", 0, 4); }),
            "draw_feature_map: m and d must be > 0, got 0 and 4.");
}

TEST(DrawFeatureMap, FillsWhatTheMapLists) {
  for (const std::string& name : ops::fixed_map_variants()) {
    const ops::NamedMap map = ops::find_fixed_map(name);
    const auto drawn = [&](uint64_t seed) {
      return draw_feature_map(name, 20, 8, at::detail::createCPUGenerator(seed));
    };
    const auto params = drawn(1), same = drawn(1), other = drawn(2);
    ASSERT_EQ(params.size(), map->params.size()) << name;
    for (size_t i = 0; i < params.size(); ++i) {
      EXPECT_EQ(params[i].scalar_type(), at::kFloat) << name;
      EXPECT_EQ(params[i].sizes(),
                ops::shapes(map->params[i])[0] == "md"
                    ? (std::vector<int64_t>{20, 8})
                    : (std::vector<int64_t>{ops::shapes(map->params[i])[0] == "m" ? 20 : 8}))
          << name;
      EXPECT_TRUE(same_bits(params[i], same[i])) << name;
      if (map->params[i].kind == ops::ParamKind::drawn) {
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

}  // namespace
}  // namespace luna::test
