// Every attention of the registry: shapes, gradients, masks, its formula, its health.
#include "runtime/ops/reference.h"
#include "tests/runtime/nn/registry_names.h"
#include "tests/support/compare.h"
#include "tests/support/torch_error.h"

namespace luna::nn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kB = 2, kH = 2, kN = 37, kD = 8;
constexpr int64_t kFirstMasked = 20, kMasked = 9;

AttentionConfig small_config() {
  AttentionConfig config;
  config.head_size = kD;
  config.m = 4;
  config.L = 3;
  config.hid = 16;
  config.features = 12;
  return config;
}

class EveryAttention : public ::testing::TestWithParam<std::string> {
 protected:
  EveryAttention() {
    at::manual_seed(3);
    module_ = find_attention(name())->make(small_config());
    for (at::Tensor* x : {&q_, &k_, &v_}) *x = at::randn({kB, kH, kN, kD}).requires_grad_();
    mask_ = at::ones({kB, kN}, at::kBool);
    mask_.narrow(1, kFirstMasked, kMasked).fill_(false);
  }
  std::string name() const { return GetParam(); }
  bool learned() const { return name().rfind("luna", 0) == 0 && !ops::find_fixed_map(name()); }
  bool linear() const { return name() != "softmax" && name() != "mean"; }

  /// The attention's map and parameters as the operators take them, in float64.
  ops::Spec spec() const {
    ops::Spec spec;
    if (!learned()) spec.feature_map = name();
    if (name() == "luna-eps") spec.feature_eps = 1e-2;
    return spec;
  }
  ops::Inputs inputs(const std::optional<at::Tensor>& mask) const {
    const auto exact = [](const at::Tensor& x) { return x.detach().to(at::kDouble); };
    ops::Inputs in{exact(q_), exact(k_), exact(v_), {}, mask};
    const ops::NamedMap map = ops::find_fixed_map(name());
    if (!map) {
      for (const at::Tensor& p : module_->parameters()) in.params.push_back(exact(p));
      return in;
    }
    for (const ops::MapParam& row : map.params()) {
      in.params.push_back(exact(row.kind == ops::ParamKind::trained
                                    ? module_->named_parameters()[row.name]
                                    : module_->named_buffers()[row.name]));
    }
    return in;
  }
  at::Tensor formula(const std::optional<at::Tensor>& mask) const {
    const ops::Inputs in = inputs(mask);
    if (linear()) return ops::reference_attention(in, spec());
    at::Tensor score = at::matmul(in.q, in.k.transpose(2, 3)) / std::sqrt(double{kD});
    if (name() == "mean") score = at::zeros_like(score);
    if (mask) {
      score = score.masked_fill(mask->logical_not().unsqueeze(1).unsqueeze(2),
                                -std::numeric_limits<double>::infinity());
    }
    return at::matmul(score.softmax(-1), in.v);
  }
  /// Output, then the gradients of q, k, v (undefined where none reaches) and parameters.
  std::vector<at::Tensor> run(const std::optional<at::Tensor>& mask) {
    for (at::Tensor* x : {&q_, &k_, &v_}) x->mutable_grad().reset();
    module_->zero_grad();
    const at::Tensor out = module_->forward(q_, k_, v_, mask);
    out.backward(at::linspace(-1, 1, out.numel()).view_as(out));
    std::vector<at::Tensor> results = {out.detach(), q_.grad(), k_.grad(), v_.grad()};
    for (const at::Tensor& p : module_->parameters()) results.push_back(p.grad());
    for (at::Tensor& x : results) x = x.defined() ? x.clone() : x;
    return results;
  }
  void poison() {
    const at::NoGradGuard no_grad;
    k_.narrow(2, kFirstMasked, kMasked).fill_(kNan);
    v_.narrow(2, kFirstMasked, kMasked).fill_(kNan);
  }

  std::shared_ptr<Attention> module_;
  at::Tensor q_, k_, v_, mask_;
};

TEST_P(EveryAttention, GivesOneVectorAQuery) {
  EXPECT_EQ(module_->forward(q_, k_, v_, {}).sizes(), q_.sizes());
  EXPECT_EQ(module_->forward(q_, k_, v_, mask_).sizes(), q_.sizes());
}

TEST_P(EveryAttention, PassesGradientsToInputsAndParameters) {
  const std::vector<at::Tensor> results = run(mask_);
  EXPECT_EQ(results.size(), 4 + module_->parameters().size());
  for (size_t i = 0; i < results.size(); ++i) {
    if (name() == "mean" && (i == 1 || i == 2)) continue;  // q and k do not matter
    ASSERT_TRUE(results[i].defined()) << i;
    EXPECT_TRUE(results[i].isfinite().all().item<bool>()) << i;
    EXPECT_GT(results[i].abs().max().item<double>(), 0) << i;
  }
}

TEST_P(EveryAttention, IsItsFormula) {
  // Features of both signs: denominators near 0 make more of the same roundings.
  const bool of_both_signs = name() == "identity" || name() == "rff" || name() == "rfa";
  const double limit = of_both_signs ? 1e-4 : 1e-5;
  for (const std::optional<at::Tensor>& mask : {std::optional<at::Tensor>{}, {mask_}}) {
    const at::Tensor out = module_->forward(q_, k_, v_, mask);
    EXPECT_LE(test::error(out.detach(), formula(mask)).max, limit) << (mask ? "masked" : "whole");
  }
}

TEST_P(EveryAttention, KeepsMaskedNanOut) {
  const std::vector<at::Tensor> clean = run(mask_);
  poison();
  const std::vector<at::Tensor> given = run(mask_);
  for (size_t i = 0; i < clean.size(); ++i) {
    ASSERT_EQ(given[i].defined(), clean[i].defined());
    if (clean[i].defined()) {
      EXPECT_TRUE(test::same_bits(given[i], clean[i])) << i;
    }
  }
}

TEST_P(EveryAttention, IsFiniteWhereEveryKeyIsMasked) {
  mask_[0].fill_(false);
  for (const at::Tensor& x : run(mask_)) {
    if (x.defined()) {
      EXPECT_TRUE(x.isfinite().all().item<bool>());
    }
  }
}

TEST_P(EveryAttention, ReportsTheSmallestDenominatorOfUnmaskedQueries) {
  poison();
  {
    const at::NoGradGuard no_grad;
    q_.narrow(2, kFirstMasked, kMasked).fill_(kNan);
  }
  const auto health = module_->health(q_, k_, v_, mask_);
  ASSERT_EQ(health.has_value(), linear());
  if (!linear()) return;
  const at::Tensor den = ops::reference_quotient(inputs(mask_), spec()).denominator - spec().eps;
  const at::Tensor keep = mask_.unsqueeze(1).unsqueeze(-1).expand_as(den);
  const double smallest = den.masked_select(keep).min().item<double>();
  EXPECT_NEAR(health->min_denominator, smallest, 1e-5 * std::abs(smallest));
}

/// phi(k) is not at its floor, 0, for some unmasked key: [H, D].
at::Tensor alive_by_formula(const std::string& name, const ops::Inputs& in) {
  at::Tensor above;  // [B, H, N, D]
  if (const ops::NamedMap map = ops::find_fixed_map(name)) {
    const int64_t N = in.k.size(2);
    above =
        ops::map_features(
            map, in.k, {in.params, map.option, ops::Side::key, in.key_mask, false, 0, N, N}) != 0;
  } else if (in.params.size() == ops::kLunaParams) {
    const auto& p = in.params;
    const at::Tensor t = at::matmul(in.k, p[ops::kProjWeight].t()) + p[ops::kProjBias];
    const at::Tensor hidden =
        (t.unsqueeze(-1).unsqueeze(-1) * p[ops::kW1] + p[ops::kB1]).relu();  // [.., m, 1|L, hid]
    above = ((hidden * p[ops::kW2]).sum(-1) + p[ops::kB2] > 0).flatten(3);
  }
  return above.logical_and(in.key_mask->unsqueeze(1).unsqueeze(-1)).any(2).any(0);
}

TEST_P(EveryAttention, ReportsWhichFeaturesLive) {
  if (!linear()) return;
  {
    const at::NoGradGuard no_grad;
    k_.select(1, 0).select(2, 5).abs_().neg_();  // of relu: head 0 has no feature 5
    k_[0][0][kFirstMasked][5] = 7;               // but behind the mask
    if (learned()) module_->parameters()[ops::kB2][1] = -100;
  }
  const at::Tensor expected = alive_by_formula(name(), inputs(mask_));
  if (name() == "relu" || learned()) {
    EXPECT_FALSE(expected.all().item<bool>());
  }
  EXPECT_TRUE(module_->health(q_, k_, v_, mask_)->alive.equal(expected));
}

TEST_P(EveryAttention, ReportsItsHealthAtAnyStridesAndRefusesWrongShapes) {
  if (!linear()) return;
  const auto transposed = [](const at::Tensor& x) {
    return test::lay_out(x.detach(), test::Layout::last_stride);
  };
  const auto expected = module_->health(q_, k_, v_, mask_);
  const auto given = module_->health(transposed(q_), transposed(k_), transposed(v_), mask_);
  EXPECT_EQ(given->min_denominator, expected->min_denominator);
  EXPECT_TRUE(given->alive.equal(expected->alive));
  EXPECT_EQ(test::torch_error_of([&] { module_->health(q_, k_.narrow(3, 0, 7), v_, mask_); }),
            "health: q and k must share the head size d, got 8 and 7.");
}

TEST_P(EveryAttention, SamplesItsPsi) {
  const at::Tensor t = at::linspace(-4, 4, 9);
  const auto psi = module_->psi(t);
  ASSERT_EQ(psi.has_value(), learned());
  if (!learned()) return;
  ASSERT_EQ(psi->sizes(), (std::vector<int64_t>{9, 3}));
  const auto p = module_->parameters();
  const bool separate = p[ops::kW1].dim() == 2;
  for (int64_t l = 0; l < 3; ++l) {
    const at::Tensor w1 = separate ? p[ops::kW1][l] : p[ops::kW1];
    const at::Tensor b1 = separate ? p[ops::kB1][l] : p[ops::kB1];
    const at::Tensor y =
        at::mv((t.unsqueeze(-1) * w1 + b1).relu(), p[ops::kW2][l]) + p[ops::kB2][l];
    EXPECT_TRUE(at::allclose(psi->select(1, l), y.relu(), 1e-5, 1e-6));
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryAttention, ::testing::ValuesIn(registry_names()),
                         test_name);

TEST(Registry, HoldsTheDocumentedNames) {
  std::vector<std::string> documented{"softmax"}, given;
  for (const char* map : ops::fixed_map_names()) documented.push_back(map);
  for (const char* name : {"luna", "luna-eps", "luna-separate", "mean"}) documented.push_back(name);
  for (const AttentionEntry& entry : attention_registry()) given.push_back(entry.name);
  EXPECT_EQ(given, documented);
  EXPECT_FALSE(find_attention("lunar"));
}

TEST(Registry, FindsFixedMapsWithTheirOptions) {
  for (const std::string& name : ops::fixed_map_variants()) {
    const auto entry = find_attention(name);
    ASSERT_TRUE(entry) << name;
    EXPECT_EQ(entry->name, name);
  }
  EXPECT_FALSE(find_attention("dpfp:0"));
  EXPECT_FALSE(find_attention("luna:1"));
}

}  // namespace
}  // namespace luna::nn
