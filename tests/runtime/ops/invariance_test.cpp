// What must not change the fused operators' result, and what must change it in a known way.
#include "runtime/luna.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

constexpr double kTolerance = 3e-6;

class Invariance : public ::testing::TestWithParam<std::string> {
 protected:
  Invariance() : case_(small_case(GetParam())), in_(make_inputs(case_)) {}

  at::Tensor forward(const ops::Inputs& in) const {
    return run_forward(in, case_.spec, Through::fused);
  }
  /// Features depend on where a token stands.
  bool has_positions() const { return case_.spec.feature_map.rfind("cosformer", 0) == 0; }
  void expect_close(const at::Tensor& a, const at::Tensor& b) const {
    const Error e = error(a, b);
    EXPECT_LE(e.rms, kTolerance) << GetParam();
    EXPECT_LE(e.max, kTolerance) << GetParam();
  }

  Case case_;
  ops::Inputs in_;
};

TEST_P(Invariance, OrderOfKeysDoesNotMatter) {
  if (has_positions()) return;
  ops::Inputs shuffled = in_;
  const at::Tensor order = at::randperm(case_.shape.N);
  shuffled.k = in_.k.index_select(2, order);
  shuffled.v = in_.v.index_select(2, order);
  expect_close(forward(shuffled), forward(in_));
}

TEST_P(Invariance, OrderOfQueriesMovesTheirRowsAlong) {
  if (has_positions()) return;
  ops::Inputs shuffled = in_;
  const at::Tensor order = at::randperm(case_.shape.Nq);
  shuffled.q = in_.q.index_select(2, order);
  expect_close(forward(shuffled), forward(in_).index_select(2, order));
}

TEST_P(Invariance, ScalingValuesScalesTheOutput) {
  ops::Inputs scaled = in_;
  scaled.v = in_.v * 4.0;  // a power of two: the same roundings
  EXPECT_TRUE(same_bits(forward(scaled), forward(in_) * 4.0));
}

TEST_P(Invariance, ConstantValuesComeBack) {
  ops::Inputs constant = in_;
  constant.v = at::full_like(in_.v, 2.5);
  case_.spec.eps = 0.0;
  const at::Tensor out = forward(constant);
  const at::Tensor alive = out.isfinite();  // a query whose features are all zero is 0/0
  EXPECT_GT(alive.sum().item<int64_t>(), out.numel() / 2);
  expect_close(out.masked_select(alive), at::full_like(out, 2.5).masked_select(alive));
}

TEST_P(Invariance, MaskedKeysAreAsIfAbsent) {
  if (has_positions()) return;  // cosformer: by the number of keys too
  ops::Inputs masked = in_, absent = in_;
  at::Tensor keep = at::ones({case_.shape.B, case_.shape.N}, at::kBool);
  keep.narrow(1, 20, case_.shape.N - 20).fill_(false);
  masked.key_mask = keep;
  absent.k = in_.k.narrow(2, 0, 20);
  absent.v = in_.v.narrow(2, 0, 20);
  expect_close(forward(masked), forward(absent));
}

TEST_P(Invariance, GroupedHeadsEqualRepeatedOnes) {
  ops::Inputs repeated = in_;
  const int64_t group = case_.shape.H / case_.shape.Hk;
  repeated.k = in_.k.repeat_interleave(group, 1);
  repeated.v = in_.v.repeat_interleave(group, 1);
  expect_close(forward(repeated), forward(in_));
}

TEST_P(Invariance, LayoutOfTheInputsDoesNotMatter) {
  const at::Tensor expected = forward(in_);
  for (const Layout layout : {Layout::tokens_first, Layout::sliced, Layout::last_stride}) {
    ops::Inputs view = in_;
    view.q = lay_out(in_.q, layout);
    view.k = lay_out(in_.k, layout);
    view.v = lay_out(in_.v, layout);
    EXPECT_TRUE(same_bits(forward(view), expected)) << static_cast<int>(layout);
  }
}

TEST_P(Invariance, OutputHasTheMemoryOrderOfQ) {
  EXPECT_TRUE(forward(in_).is_contiguous());
  in_.q = lay_out(in_.q, Layout::tokens_first);
  EXPECT_TRUE(forward(in_).transpose(1, 2).is_contiguous());
}

TEST_P(Invariance, NoKeysGiveZeros) {
  ops::Inputs none = in_;
  none.k = in_.k.narrow(2, 0, 0);
  none.v = in_.v.narrow(2, 0, 0);
  EXPECT_TRUE(same_bits(forward(none), at::zeros_like(forward(in_))));
}

TEST_P(Invariance, EveryKeyMaskedGivesZeros) {
  in_.key_mask = at::zeros({case_.shape.B, case_.shape.N}, at::kBool);
  EXPECT_TRUE(same_bits(forward(in_),
                        at::zeros({case_.shape.B, case_.shape.H, case_.shape.Nq, case_.shape.dv})));
}

INSTANTIATE_TEST_SUITE_P(Luna, Invariance, ::testing::Values("luna"));
INSTANTIATE_TEST_SUITE_P(Fixed, Invariance, ::testing::ValuesIn(fused_map_names()));

/// A psi that is zero everywhere: the query has no feature, and the denominator is what the rule
/// leaves of 0.
TEST(ZeroFeatures, GiveZeroOrTheMeanOfValuesWithFeatureEps) {
  Case c = small_case();
  ops::Inputs in = make_inputs(c);
  in.params[ops::kW2].zero_();
  in.params[ops::kB2].fill_(-1.0);
  for (const char* rule : {"add_eps", "clamp_min"}) {
    c.spec.denominator = rule;
    c.spec.feature_eps = 0.0;
    EXPECT_EQ(run_forward(in, c.spec, Through::fused).abs().max().item<double>(), 0.0);
    c.spec.feature_eps = 0.1;
    const at::Tensor mean =
        in.v.mean(2, true).repeat_interleave(2, 1).expand({2, 4, c.shape.Nq, c.shape.dv});
    EXPECT_LE(error(run_forward(in, c.spec, Through::fused), mean).rms, 1e-5);
  }
}

TEST(PerformerProjection, HasOrthogonalRowsOfRandomLength) {
  at::manual_seed(5);
  const at::Tensor w = performer_projection(20, 8);
  ASSERT_EQ(w.sizes(), (std::vector<int64_t>{20, 8}));
  for (const auto& [first, rows] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 8}, {8, 8}, {16, 4}}) {
    const at::Tensor unit = w.narrow(0, first, rows) / w.narrow(0, first, rows).norm(2, -1, true);
    EXPECT_TRUE(at::allclose(at::matmul(unit, unit.t()), at::eye(rows), 1e-5, 1e-6));
  }
  // Mean square length of N(0, I_d): d, over 4096 rows within 5 %.
  EXPECT_NEAR(performer_projection(4096, 8).square().sum(-1).mean().item<double>(), 8.0, 0.4);
  const auto drawn = [](uint64_t seed) {
    return performer_projection(20, 8, at::detail::createCPUGenerator(seed));
  };
  EXPECT_TRUE(same_bits(drawn(1), drawn(1)));
  EXPECT_FALSE(same_bits(drawn(1), drawn(2)));
}

TEST(PerformerProjection, DrawsNoMoreThanItsRows) {
  at::Generator generator = at::detail::createCPUGenerator(1);
  at::Generator same = at::detail::createCPUGenerator(1);
  const auto numbers = [](int64_t rows, int64_t columns, at::Generator from) {
    return at::randn({rows, columns}, std::move(from), at::kDouble);
  };
  const at::Tensor w = performer_projection(3, 40, generator);
  ASSERT_EQ(w.sizes(), (std::vector<int64_t>{3, 40}));
  const at::Tensor unit = w / w.norm(2, -1, true);
  EXPECT_TRUE(at::allclose(at::matmul(unit, unit.t()), at::eye(3), 1e-5, 1e-6));
  numbers(40, 3, same);  // directions
  EXPECT_TRUE(at::allclose(w.norm(2, -1), numbers(3, 40, same).norm(2, -1).to(at::kFloat)));
  EXPECT_TRUE(same_bits(numbers(1, 40, generator), numbers(1, 40, same)));
}

}  // namespace
}  // namespace luna::test
