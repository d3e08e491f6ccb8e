// The encoder: padding, fields, sizes, psi, health.
#include "runtime/nn/encoder.h"

#include <gtest/gtest.h>

#include "tests/runtime/nn/registry_names.h"
#include "tests/support/torch_error.h"

namespace luna::nn {
namespace {

constexpr int64_t kLength = 12, kReal = 7;  // row 0 of ids_ has kReal tokens, row 1 all

EncoderConfig sizes(int64_t vocabulary, int64_t length, int64_t classes, bool per_token) {
  EncoderConfig config;
  config.vocabulary = vocabulary;
  config.length = length;
  config.classes = classes;
  config.per_token = per_token;
  return config;
}

EncoderConfig small_config(const std::string& attention, bool per_token = false) {
  EncoderConfig config = sizes(9, kLength, 5, per_token);
  config.width = 16;
  config.ffn = 24;
  config.map.m = 4;
  config.map.L = 4;
  config.map.hid = 8;
  config.map.features = 12;
  config.attention = attention;
  return config;
}

at::Tensor ids() {
  at::manual_seed(7);
  at::Tensor ids = at::randint(1, 9, {2, kLength}, at::kLong);
  ids[0].narrow(0, kReal, kLength - kReal).zero_();
  return ids;
}

at::Tensor parameter(Encoder& encoder, const std::string& name) {
  return encoder.named_parameters()[name];
}

class EveryEncoder : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryEncoder, IgnoresWhatPaddingHolds) {
  const at::NoGradGuard no_grad;
  for (const bool per_token : {false, true}) {
    at::manual_seed(1);
    Encoder encoder(small_config(GetParam(), per_token));
    const at::Tensor row = ids().narrow(0, 0, 1);
    const auto asked = [&] {
      const at::Tensor logits = encoder.forward(row);
      return per_token ? logits.narrow(1, 0, kReal) : logits;
    };
    const at::Tensor before = asked();
    parameter(encoder, "tokens.weight")[0].fill_(30);
    parameter(encoder, "positions.weight").narrow(0, kReal, kLength - kReal).normal_(0, 10);
    EXPECT_TRUE(at::allclose(asked(), before, 1e-5, 1e-6)) << per_token;
    parameter(encoder, "tokens.weight")[row[0][0].item<int64_t>()].normal_(0, 10);
    EXPECT_FALSE(at::allclose(asked(), before, 1e-3, 1e-3)) << per_token;
  }
}

TEST_P(EveryEncoder, GivesFiniteLogitsForNothingButPadding) {
  Encoder encoder(small_config(GetParam()));
  const at::Tensor logits = encoder.forward(at::zeros({2, kLength}, at::kLong));
  logits.sum().backward();
  EXPECT_TRUE(logits.isfinite().all().item<bool>());
  for (const auto& item : encoder.named_parameters()) {
    const at::Tensor& grad = item.value().grad();
    if (grad.defined()) {
      EXPECT_TRUE(grad.isfinite().all().item<bool>()) << item.key();
    }
  }
}

TEST_P(EveryEncoder, SameSeedSameBits) {
  const auto logits = [&] {
    at::manual_seed(11);
    return Encoder(small_config(GetParam())).forward(ids());
  };
  EXPECT_TRUE(logits().equal(logits()));
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryEncoder, ::testing::ValuesIn(registry_names()), test_name);

TEST(Encoder, LogitsAreOneVectorASequenceOrAToken) {
  Encoder sequence(small_config("softmax")), token(small_config("softmax", true));
  EXPECT_EQ(sequence.forward(ids()).sizes(), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(token.forward(ids()).sizes(), (std::vector<int64_t>{2, kLength, 5}));
}

TEST(Encoder, AddsUpFields) {
  const at::NoGradGuard no_grad;
  Encoder encoder(small_config("elu"));
  const at::Tensor tokens = parameter(encoder, "tokens.weight");
  tokens[8] = tokens[3] + tokens[5];
  const at::Tensor one = at::full({2, kLength}, 8, at::kLong);
  at::Tensor two = at::full({2, kLength, 2}, 3, at::kLong);
  two.select(2, 1).fill_(5);
  EXPECT_TRUE(at::allclose(encoder.forward(two), encoder.forward(one), 1e-5, 1e-6));
  EXPECT_TRUE(encoder.forward(one.unsqueeze(-1)).equal(encoder.forward(one)));
}

TEST(Encoder, TheFirstFieldMarksPadding) {
  const at::NoGradGuard no_grad;
  Encoder encoder(small_config("elu"));
  at::Tensor two = at::stack({ids(), at::full({2, kLength}, 4, at::kLong)}, 2);
  const at::Tensor before = encoder.forward(two);
  two[0].narrow(0, kReal, kLength - kReal).select(1, 1).fill_(6);
  EXPECT_TRUE(at::allclose(encoder.forward(two), before, 1e-5, 1e-6));
}

TEST(Encoder, PoolsOverThePaddedLength) {
  const at::NoGradGuard no_grad;
  Encoder encoder(small_config("mean"));
  // Behind the final norm every token is its bias, so the pooled vector is its share of tokens.
  parameter(encoder, "norm.weight").zero_();
  parameter(encoder, "norm.bias").fill_(1);
  const at::Tensor pooled = at::full({16}, double{kReal} / kLength);
  const at::Tensor hidden =
      at::mv(parameter(encoder, "hidden.weight"), pooled) + parameter(encoder, "hidden.bias");
  const at::Tensor expected = at::mv(parameter(encoder, "classifier.weight"), hidden.relu()) +
                              parameter(encoder, "classifier.bias");
  EXPECT_TRUE(at::allclose(encoder.forward(ids())[0], expected, 1e-5, 1e-6));
}

int64_t parameters(Encoder& encoder) {
  int64_t count = 0;
  for (const at::Tensor& p : encoder.parameters()) count += p.numel();
  return count;
}

TEST(Encoder, HasTheProtocolsNumberOfParameters) {
  EncoderConfig listops = sizes(32, 2048, 10, false);
  const auto count = [&](const char* attention) {
    listops.attention = attention;
    Encoder encoder(listops);
    return parameters(encoder);
  };
  EXPECT_EQ(count("softmax"), 209802);
  EXPECT_EQ(count("performer"), 209802);  // its W is drawn, not learned
  EXPECT_EQ(count("luna"), 209802 + 2 * (16 * 32 + 16 + 64 + 64 + 8 * 64 + 8));
  EXPECT_EQ(count("luna-separate"), 209802 + 2 * (16 * 32 + 16 + 3 * 8 * 64 + 8));
}

TEST(EncoderLayer, DropsUnitsInsideTheFfn) {
  const at::NoGradGuard no_grad;
  EncoderConfig config = small_config("mean");
  config.dropout = 0.5;
  EncoderLayer layer(config);
  for (at::Tensor& p : layer.parameters()) p.zero_();
  layer.named_parameters()["expand.bias"].fill_(1);
  layer.named_parameters()["contract.weight"].fill_(1);
  const at::Tensor out = layer.forward(at::zeros({1, kLength, config.width}), {}, nullptr, 0);
  EXPECT_GT(std::get<0>(at::_unique(out)).numel(), 2);  // not all units, or none
}

TEST(Encoder, SamplesPsiOfEveryLayer) {
  const at::Tensor t = at::linspace(-4, 4, 81);
  EncoderConfig config = small_config("luna");
  config.layers = 3;
  const std::vector<at::Tensor> psi = Encoder(config).psi(t);
  ASSERT_EQ(psi.size(), 3u);
  for (const at::Tensor& samples : psi) {
    EXPECT_EQ(samples.sizes(), (std::vector<int64_t>{81, 4}));
    EXPECT_FALSE(samples.requires_grad());
  }
  EXPECT_FALSE(psi[0].equal(psi[1]));
  EXPECT_TRUE(Encoder(small_config("elu")).psi(t).empty());
}

TEST(EncoderHealth, KeepsTheWorstOfWhatItSaw) {
  EncoderHealth health;
  EXPECT_EQ(health.dead_features(), 0);
  EXPECT_EQ(health.min_denominator(), std::numeric_limits<double>::infinity());
  const auto alive = [](std::initializer_list<bool> features) {
    return at::tensor(std::vector<int64_t>(features.begin(), features.end()))
        .to(at::kBool)
        .view({1, -1});
  };
  health.add(0, {0.5, alive({true, false, false, false})});
  health.add(1, {0.25, alive({true, true, true, true})});
  health.add(0, {0.125, alive({false, true, false, false})});
  EXPECT_EQ(health.min_denominator(), 0.125);
  EXPECT_EQ(health.dead_features(), 0.25);  // of layer 0 half, of layer 1 none
}

TEST(EncoderHealth, HasALayerForEveryLinearAttention) {
  const at::NoGradGuard no_grad;
  EncoderHealth luna, softmax;
  Encoder(small_config("luna")).forward(ids(), &luna);
  Encoder(small_config("softmax")).forward(ids(), &softmax);
  ASSERT_EQ(luna.layers.size(), 2u);
  EXPECT_EQ(luna.layers[0].alive.sizes(), (std::vector<int64_t>{2, 16}));
  EXPECT_TRUE(softmax.layers.empty());
}

TEST(Encoder, NamesWhatItCannotBuild) {
  EncoderConfig heads = small_config("softmax");
  heads.heads = 3;
  EXPECT_EQ(test::torch_error_of([&] { Encoder encoder(heads); }),
            "encoder: heads (3) must divide width (16)");
  EXPECT_EQ(test::torch_error_of([&] { Encoder encoder(small_config("elo")); }),
            "encoder: unknown attention 'elo'");
}

TEST(Encoder, NamesTheLengthThatItCannotRead) {
  Encoder encoder(small_config("elu"));
  const auto read = [&](at::IntArrayRef shape) {
    return test::torch_error_of([&] { encoder.forward(at::ones(shape, at::kLong)); });
  };
  const std::string message =
      "encoder: 13 tokens exceed the model's length of 12; shorten them, or build it with length "
      "13";
  EXPECT_EQ(read({2, kLength}), "no error");
  EXPECT_EQ(read({2, kLength + 1}), message);
  EXPECT_EQ(read({2, kLength + 1, 3}), message);
}

}  // namespace
}  // namespace luna::nn
