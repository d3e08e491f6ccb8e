// The flat AdamW against torch's, and clipping against its definition.
#include "experiments/train/adamw.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

namespace luna::experiments {
namespace {

/// Two layers whose outputs are summed, so that every parameter gets a gradient.
struct Net : torch::nn::Module {
  Net() {
    at::manual_seed(5);
    first = register_module("first", torch::nn::Linear(7, 11));
    second = register_module("second", torch::nn::Linear(11, 3));
  }
  at::Tensor loss(const at::Tensor& x) {
    return second->forward(first->forward(x).tanh()).square().sum();
  }
  torch::nn::Linear first{nullptr}, second{nullptr};
};

at::Tensor input(int64_t step) {
  at::manual_seed(100 + static_cast<uint64_t>(step));
  return at::randn({4, 7});
}

class AdamWDecay : public ::testing::TestWithParam<double> {};

TEST_P(AdamWDecay, StepsAsTorchs) {
  TrainConfig train;
  train.weight_decay = GetParam();
  Net ours, theirs;
  AdamW flat(ours, train);
  torch::optim::AdamW torchs(theirs.parameters(), torch::optim::AdamWOptions(0.01)
                                                      .betas({train.beta1, train.beta2})
                                                      .eps(train.adam_eps)
                                                      .weight_decay(train.weight_decay));
  for (int64_t step = 0; step < 20; ++step) {
    const double lr = 0.01 / (1.0 + static_cast<double>(step));
    flat.zero_grad();
    ours.loss(input(step)).backward();
    flat.step(step, lr, train.beta1);
    torchs.zero_grad();
    theirs.loss(input(step)).backward();
    torchs.param_groups()[0].options().set_lr(lr);
    torchs.step();
  }
  const auto expected = theirs.parameters(), given = ours.parameters();
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LE((given[i] - expected[i]).abs().max().item<double>(), 1e-6) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(AdamW, AdamWDecay, ::testing::Values(0.0, 0.1));

TEST(AdamW, ParametersAndGradientsAreViewsOfFlatVectors) {
  Net net;
  const std::vector<at::Tensor> before = net.parameters();
  std::vector<at::Tensor> values;
  for (const at::Tensor& parameter : before) values.push_back(parameter.detach().clone());
  AdamW flat(net, {});
  EXPECT_EQ(flat.size(), 7 * 11 + 11 + 11 * 3 + 3);
  const std::vector<at::Tensor> after = net.parameters();
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(after[i].equal(values[i]));
    EXPECT_TRUE(after[i].is_same(before[i]));
    EXPECT_TRUE(after[i].is_alias_of(flat.state()[0]));
    EXPECT_TRUE(after[i].requires_grad());
  }
  const at::Tensor gradient = after[0].grad();
  net.loss(input(0)).backward();
  EXPECT_TRUE(after[0].grad().is_alias_of(gradient));
  flat.zero_grad();
  EXPECT_EQ(after[0].grad().abs().sum().item<double>(), 0);
}

/// Clips after a backward; the gradients before and after, and what clip() returned.
struct Clipped {
  at::Tensor before, after;
  double norm;
};

Clipped clip(const std::string& how, double at) {
  TrainConfig train;
  train.clip = how;
  train.clip_at = at;
  Net net;
  AdamW flat(net, train);
  net.loss(input(0)).backward();
  const auto all = [&] {
    std::vector<at::Tensor> parts;
    for (const at::Tensor& parameter : net.parameters())
      parts.push_back(parameter.grad().flatten());
    return at::cat(parts);
  };
  const at::Tensor before = all();
  const double norm = flat.clip();
  return {before, all(), norm};
}

TEST(AdamWClip, ByNormScalesToIt) {
  const Clipped c = clip("norm", 0.5);
  EXPECT_NEAR(c.norm, c.before.norm().item<double>(), 1e-5);
  EXPECT_GT(c.norm, 0.5);
  EXPECT_NEAR(c.after.norm().item<double>(), 0.5, 1e-5);
  EXPECT_TRUE(at::allclose(c.after, c.before * (0.5 / c.norm), 1e-5, 1e-7));
}

TEST(AdamWClip, ByNormLeavesSmallGradients) {
  const Clipped c = clip("norm", 1e6);
  EXPECT_TRUE(c.after.equal(c.before));
}

TEST(AdamWClip, ByValueClampsEach) {
  const Clipped c = clip("value", 0.1);
  EXPECT_GT(c.before.abs().max().item<double>(), 0.1);
  EXPECT_TRUE(c.after.equal(c.before.clamp(-0.1, 0.1)));
  EXPECT_NEAR(c.norm, c.before.norm().item<double>(), 1e-5);
}

TEST(AdamWClip, NoneOnlyMeasures) {
  const Clipped c = clip("none", 1e-3);
  EXPECT_TRUE(c.after.equal(c.before));
  EXPECT_NEAR(c.norm, c.before.norm().item<double>(), 1e-5);
}

}  // namespace
}  // namespace luna::experiments
