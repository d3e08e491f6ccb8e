// What a training forward leaves for its backward (runtime/ops/kept_sums.h).
#include "runtime/ops/kept_sums.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "runtime/ops/attention.h"
#include "runtime/ops/internal.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

/// A tenth of what holds against float64.
constexpr double kRounding = 0.1 * kFloorParams;

/// Enough tokens for the sums to be small beside the values.
Case long_case() {
  Case c = segment_case();
  c.shape.N = c.shape.Nq = 1000;
  c.spec.keeps_sums = true;
  return c;
}

Case causal_case() {
  Case c = long_case();
  c.spec.causal = true;
  return c;
}

struct Training {
  explicit Training(const Case& c, const ops::Inputs& in)
      : in(in), spec(c.spec), grad(make_grad(c)), saved(ops::attention_forward(in, spec)) {}
  explicit Training(const Case& c) : Training(c, make_inputs(c)) {}

  /// dq, dk, dv, then LUNA's parameters'.
  std::vector<at::Tensor> gradients(const std::vector<at::Tensor>& key_sums) const {
    kernels::Forward from = saved;
    from.key_sums = key_sums;
    const std::vector<bool> all(in.params.size(), spec.learned());
    const ops::Gradients out =
        ops::attention_backward(grad, in, from, spec, {true, true, true, all});
    std::vector<at::Tensor> flat{out.q, out.k, out.v};
    flat.insert(flat.end(), out.params.begin(), out.params.end());
    return flat;
  }
  bool keeps() const { return !saved.key_sums.empty() && saved.key_sums[0].defined(); }
  /// Whether the backward reads the kept sums: what they hold makes a difference.
  bool reads_sums() const {
    const auto kept = gradients(saved.key_sums), other = gradients({saved.key_sums[0] + 1.0f});
    bool same = true;
    for (size_t i = 0; i < kept.size(); ++i) same = same && same_bits(kept[i], other[i]);
    return !same;
  }

  ops::Inputs in;
  ops::Spec spec;
  at::Tensor grad;
  kernels::Forward saved;
};

std::vector<at::Tensor> leaves_of(ops::Inputs& in) {
  std::vector<at::Tensor> leaves{in.q, in.k, in.v};
  leaves.insert(leaves.end(), in.params.begin(), in.params.end());
  for (at::Tensor& leaf : leaves) leaf.requires_grad_();
  return leaves;
}

/// One task and several, a head and several, factors of tokens.
std::vector<Case> kept_cases() {
  std::vector<Case> cases(5, long_case());
  cases[1].spec.envelope = "exp";
  cases[2].spec.ch_rms_target = 0.05;
  for (size_t k : {3, 4}) cases[k].shape.B = cases[k].shape.Hk = 1;
  cases[4].shape.N = 4200;
  return cases;
}

/// Strips of several chunks, and heads enough for one strip; a query head a key head and several;
/// factors of tokens; maps with an epsilon and without parameters.
std::vector<Case> causal_cases() {
  std::vector<Case> cases(3, causal_case());
  cases[0].shape.B = cases[0].shape.H = cases[0].shape.Hk = 1;
  cases[0].shape.N = cases[0].shape.Nq = 2300;
  cases[1].shape.B = 4;
  cases[1].shape.H = 4;
  cases[1].shape.Hk = 2;
  cases[2].spec.envelope = "exp";
  for (const char* const map : {"performer", "elu"}) {
    cases.push_back(small_case(map));
    cases.back().shape.N = cases.back().shape.Nq = 1000;
    cases.back().spec.causal = cases.back().spec.keeps_sums = true;
  }
  return cases;
}

/// Sums of the same features in the same order: dq, dk and dv are the same bits. But through ch_rms
/// parameters' gradients reach the tokens', and a map's epsilon is added to features within the
/// pipeline by the forward, after it by the backward.
bool sums_alike(const Case& c) {
  return c.spec.ch_rms_target == 0 && c.spec.feature_map != "performer";
}

TEST(KeptSums, GiveTheSameGradientsAsSummingAgain) {
  std::vector<Case> cases = kept_cases();
  for (const Case& c : causal_cases()) cases.push_back(c);
  for (const Case& c : cases) {
    const Training training(c);
    ASSERT_TRUE(training.keeps()) << describe(c);
    EXPECT_TRUE(training.reads_sums()) << describe(c);
    const auto kept = training.gradients(training.saved.key_sums), again = training.gradients({});
    for (size_t i = 0; i < kept.size(); ++i) {
      if (i < 3 && sums_alike(c)) {
        EXPECT_TRUE(same_bits(kept[i], again[i])) << describe(c) << i;
      }
      EXPECT_LE(error(kept[i], again[i]).rms, kRounding) << describe(c) << i;
    }
  }
}

/// What is not asked for makes no difference to what is.
TEST(KeptSums, CausalServeAnyOfTheGradients) {
  const Training training(causal_case());
  const auto all = training.gradients(training.saved.key_sums);
  for (int which = 0; which < 8; ++which) {
    const bool q = which & 1, k = which & 2, v = which & 4;
    const std::vector<bool> none(training.in.params.size(), false);
    const ops::Gradients got = ops::attention_backward(training.grad, training.in, training.saved,
                                                       training.spec, {q, k, v, none});
    if (q) EXPECT_TRUE(same_bits(got.q, all[0])) << which;
    if (k) EXPECT_TRUE(same_bits(got.k, all[1])) << which;
    if (v) EXPECT_TRUE(same_bits(got.v, all[2])) << which;
  }
}

TEST(KeptSums, AreOfEverySequenceOfARow) {
  Case c = long_case();
  c.shape.B = 1;
  ops::Inputs in = make_inputs(c);
  in.cu_seqlens = at::tensor({0, 480, 480, 1000}, at::kInt);
  const std::vector<at::Tensor> kept = Training(c, in).saved.key_sums;
  ASSERT_EQ(kept.size(), 3);
  EXPECT_TRUE(kept[0].defined());
  EXPECT_FALSE(kept[1].defined());  // no token
  EXPECT_TRUE(kept[2].defined());
}

class KeptSumsOf : public ::testing::TestWithParam<Case> {};

TEST_P(KeptSumsOf, MaskedTokensHoldNothing) {
  Case c = GetParam();
  c.mask = MaskKind::random;
  ops::Inputs in = make_inputs(c);
  const at::Tensor dropped = in.key_mask->logical_not().unsqueeze(1).unsqueeze(-1);
  in.v = in.v.masked_fill(dropped, kNan);
  const Training training(c, in);
  ASSERT_TRUE(training.keeps());
  EXPECT_TRUE(training.reads_sums());
  for (const at::Tensor& x : training.gradients(training.saved.key_sums)) {
    EXPECT_TRUE(x.isfinite().all().item<bool>());
  }
}

/// Sums of w v would cancel where v differs little.
TEST(KeptSums, AreNotReadWhereValuesLieFarFromZero) {
  const Case c = long_case();
  ops::Inputs in = make_inputs(c);
  in.v = in.v + 100.0f;
  const Training training(c, in);
  ASSERT_TRUE(training.keeps());
  EXPECT_FALSE(training.reads_sums());
}

/// The farthest that they are read: still within the bounds against float64.
TEST(KeptSums, KeepTheDigitsOfValuesOffZero) {
  const Case c = long_case();
  ops::Inputs in = make_inputs(c);
  in.v = in.v + 1.8f;
  EXPECT_TRUE(Training(c, in).reads_sums());
  expect_within_bounds(run_all(in, c.spec, make_grad(c)), "values around 1.8");
}

/// Others than the forward's own, as hooks of saved tensors may give them.
TEST_P(KeptSumsOf, AnotherKindAreNotRead) {
  const Training training(GetParam());
  const auto again = training.gradients({});
  const at::Tensor own = training.saved.key_sums.front(), longer = at::zeros({own.numel() + 1});
  const int64_t last = own.dim() - 1, width = own.size(last);
  std::vector<int64_t> twice = own.sizes().vec();
  twice[last] *= 2;
  for (const at::Tensor& other : {own.narrow(last, 0, width - 16).contiguous(), own.to(at::kDouble),
                                  own.to(at::kMeta), longer.narrow(0, 1, own.numel()).view_as(own),
                                  at::zeros(twice).narrow(last, 0, width), at::_neg_view(-own)}) {
    const auto got = training.gradients({other});
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], again[i])) << i;
  }
}

TEST(KeptSums, AreNotKeptWhereTheyAreLargeOrNotAskedFor) {
  Case c = long_case();
  c.shape.m = 256;  // segment form as before
  EXPECT_FALSE(Training(c).keeps());
  c.spec.causal = true;
  EXPECT_FALSE(Training(c).keeps());
  c = causal_case();
  c.shape.N = c.shape.Nq = 256;  // one chunk, before which there is nothing
  EXPECT_FALSE(Training(c).keeps());
  c = long_case();
  c.spec.keeps_sums = false;
  EXPECT_FALSE(Training(c).keeps());
}

/// Copied on write by whoever writes first, which a thread of the backward may not be.
TEST_P(KeptSumsOf, LazyMemoryAreRead) {
  const Training training(GetParam());
  const auto own = training.gradients(training.saved.key_sums);
  const auto got = training.gradients({at::_lazy_clone(training.saved.key_sums.front())});
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], own[i])) << i;
}

TEST_P(KeptSumsOf, EveryBackwardThroughAutograd) {
  const Case c = GetParam();
  const Training training(c);
  const auto kept = training.gradients(training.saved.key_sums), again = training.gradients({});
  ASSERT_FALSE(same_bits(kept.back(), again.back()));
  ops::Inputs in = training.in;
  const std::vector<at::Tensor> leaves = leaves_of(in);
  const at::Tensor out = run_forward(in, c.spec, Through::fused);
  for (int pass = 0; pass < 2; ++pass) {
    const auto got = torch::autograd::grad({out}, leaves, {training.grad}, /*retain_graph=*/true);
    for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(same_bits(got[i], kept[i])) << pass << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, KeptSumsOf, ::testing::Values(long_case(), causal_case()),
                         [](const auto& info) {
                           return info.param.spec.causal ? "causal" : "segments";
                         });

/// A call inside of another has its own.
TEST(KeptSums, NestAndAreNotAskedForWithoutGradients) {
  const Case c = long_case();
  ops::KeptSums outer(true);
  {
    const at::NoGradGuard no_grad;
    run_forward(make_inputs(c), c.spec, Through::fused);
    EXPECT_TRUE(outer.sums.empty());
  }
  {
    const ops::KeptSums inner(std::vector<at::Tensor>{});
    EXPECT_EQ(ops::KeptSums::current(), &inner);
  }
  EXPECT_EQ(ops::KeptSums::current(), &outer);
}

}  // namespace
}  // namespace luna::test
