// The fixed maps as modules: which params train, and draws that are made anew.
#include "runtime/luna.h"
#include "runtime/nn/attention.h"
#include "runtime/ops/fixed_maps.h"
#include "tests/support/compare.h"

namespace luna::nn {
namespace {

constexpr int64_t kHead = 8, kRows = 12;

AttentionConfig fixed_config() {
  AttentionConfig config;
  config.head_size = kHead;
  config.features = config.m = kRows;
  return config;
}

TEST(FixedAttention, HoldsItsParamsByTheirKind) {
  for (const std::string& name : ops::fixed_map_variants()) {
    at::manual_seed(4);
    const auto module = find_attention(name)->make(fixed_config());
    at::manual_seed(4);
    const std::vector<at::Tensor> initial = draw_feature_map(name, kRows, kHead);
    const auto& rows = ops::find_fixed_map(name).params();
    size_t trained = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const bool learned = rows[i].kind == ops::ParamKind::trained;
      trained += learned;
      const at::Tensor held = learned ? module->named_parameters()[rows[i].name]
                                      : module->named_buffers()[rows[i].name];
      EXPECT_EQ(held.requires_grad(), learned) << name;
      EXPECT_TRUE(test::same_bits(held, initial[i])) << name;
    }
    EXPECT_EQ(module->parameters().size(), trained) << name;
    EXPECT_EQ(module->buffers().size(), rows.size() - trained) << name;
  }
}

/// A step of gradient descent reaches every trained param, and no other, and helps.
TEST(FixedAttention, TrainsItsTrainedParams) {
  for (const std::string& name : test::fused_map_names()) {
    at::manual_seed(4);
    const auto module = find_attention(name)->make(fixed_config());
    const auto tokens = [] { return at::randn({2, 2, 40, kHead}); };
    const at::Tensor q = tokens(), k = tokens(), v = tokens(), target = tokens();
    const auto loss = [&] { return (module->forward(q, k, v, {}) - target).square().mean(); };
    const at::Tensor before = loss();
    if (!before.requires_grad()) continue;
    before.backward();
    const at::NoGradGuard no_grad;
    for (const auto& item : module->named_parameters()) {
      const at::Tensor grad = item.value().grad();
      ASSERT_TRUE(grad.defined() && grad.ne(0).any().item<bool>()) << name << " " << item.key();
      item.value().sub_(grad * 1e-2);
    }
    EXPECT_LT(loss().item<double>(), before.item<double>()) << name;
    for (const auto& item : module->named_buffers()) EXPECT_FALSE(item.value().grad().defined());
  }
}

/// Built maps with a draw.
std::vector<std::string> drawn_maps() {
  std::vector<std::string> names;
  for (const std::string& name : test::fused_map_names()) {
    for (const ops::MapParam& param : ops::find_fixed_map(name).params()) {
      if (param.kind == ops::ParamKind::drawn) names.push_back(name);
    }
  }
  return names;
}

class Redraw : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr int64_t kEvery = 3;
  static std::shared_ptr<Attention> make(uint64_t seed) {
    at::manual_seed(seed);
    AttentionConfig config = fixed_config();
    config.redraw = kEvery;
    return find_attention(GetParam())->make(config);
  }
  /// W behind each of so many passes.
  static std::vector<at::Tensor> pass(Attention& module, int64_t passes) {
    const at::Tensor x = at::ones({1, 1, 2, kHead});
    std::vector<at::Tensor> drawn;
    for (int64_t i = 0; i < passes; ++i) {
      module.forward(x, x, x, {});
      drawn.push_back(module.named_buffers()["W"].clone());
    }
    return drawn;
  }
};

TEST_P(Redraw, ComesAfterSoManyTrainingPasses) {
  const auto module = make(1);
  const at::Tensor first = module->named_buffers()["W"].clone();
  const std::vector<at::Tensor> w = pass(*module, 7);
  for (const int64_t i : {0, 1, 2}) EXPECT_TRUE(w[i].equal(first));
  EXPECT_FALSE(w[3].equal(first));
  for (const int64_t i : {4, 5}) EXPECT_TRUE(w[i].equal(w[3]));
  EXPECT_FALSE(w[6].equal(w[3]));
  module->eval();
  for (const at::Tensor& x : pass(*module, 4)) EXPECT_TRUE(x.equal(w[6]));
}

TEST_P(Redraw, DependsOnTheModulesBuffersAlone) {
  const auto module = make(1), restored = make(2);
  pass(*module, 5);
  for (const auto& buffer : module->named_buffers()) {
    restored->named_buffers()[buffer.key()].copy_(buffer.value());
  }
  const std::vector<at::Tensor> expected = pass(*module, 5);
  at::manual_seed(9);
  const at::Tensor untouched = at::rand({1});
  at::manual_seed(9);
  const std::vector<at::Tensor> given = pass(*restored, 5);
  EXPECT_TRUE(at::rand({1}).equal(untouched));  // the default generator is left alone
  for (size_t i = 0; i < given.size(); ++i) EXPECT_TRUE(test::same_bits(given[i], expected[i]));
}

INSTANTIATE_TEST_SUITE_P(Maps, Redraw, ::testing::ValuesIn(drawn_maps()));

}  // namespace
}  // namespace luna::nn
