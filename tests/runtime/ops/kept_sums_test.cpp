// What a training forward leaves for its backward (runtime/ops/kept_sums.h).
#include "runtime/ops/kept_sums.h"

#include <ATen/core/grad_mode.h>

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

struct Training {
  explicit Training(const Case& c, const ops::Inputs& in)
      : in(in), spec(c.spec), grad(make_grad(c)), saved(ops::attention_forward(in, spec)) {}
  explicit Training(const Case& c) : Training(c, make_inputs(c)) {}

  /// dq, dk, dv, then the parameters'.
  std::vector<at::Tensor> gradients(const std::vector<at::Tensor>& key_sums) const {
    kernels::Forward from = saved;
    from.key_sums = key_sums;
    const std::vector<bool> all(in.params.size(), true);
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

TEST(KeptSums, GiveTheSameGradientsAsSummingAgain) {
  for (const char* envelope : {"none", "exp"}) {
    Case c = long_case();
    c.spec.envelope = envelope;
    const Training training(c);
    ASSERT_TRUE(training.keeps());
    EXPECT_TRUE(training.reads_sums());
    const auto kept = training.gradients(training.saved.key_sums), again = training.gradients({});
    for (size_t i = 0; i < kept.size(); ++i) {
      if (i < 3) EXPECT_TRUE(same_bits(kept[i], again[i])) << i;
      EXPECT_LE(error(kept[i], again[i]).rms, kRounding) << envelope << i;
    }
  }
}

TEST(KeptSums, OfMaskedTokensHoldNothing) {
  Case c = long_case();
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

TEST(KeptSums, AreNotKeptWhereTheyAreLargeOrNotAskedFor) {
  Case c = long_case();
  c.shape.N = c.shape.Nq = 100;
  EXPECT_FALSE(Training(c).keeps());
  c = long_case();
  c.spec.causal = true;
  EXPECT_FALSE(Training(c).keeps());
  c = long_case();
  c.spec.keeps_sums = false;
  EXPECT_FALSE(Training(c).keeps());
}

TEST(KeptSums, ReachTheBackwardThroughAutograd) {
  const Case c = long_case();
  const Training training(c);
  const Result got = run(training.in, c.spec, training.grad, Through::fused);
  const auto kept = training.gradients(training.saved.key_sums);
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_TRUE(same_bits(got.tensors[i + 1], kept[i])) << got.names[i + 1];
  }
}

/// A call inside of another has its own.
TEST(KeptSums, NestAndAreNotAskedForWithoutGradients) {
  const Case c = long_case();
  const ops::KeptSums outer(true);
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
