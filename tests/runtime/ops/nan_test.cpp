// Where a NaN may go: a query's stays in its row, a key's or value's reaches its (b, h), a masked
// token's nowhere.
#include <sstream>

#include "tests/support/compare.h"

namespace luna::test {
namespace {

/// "map option option": of psi, of the mode, of the dtype.
class Nan : public ::testing::TestWithParam<std::string> {
 protected:
  Nan() {
    std::istringstream words(GetParam());
    std::string map;
    words >> map;
    case_ = small_case(map);
    for (std::string option; words >> option;) choose(option);
    in_ = make_inputs(case_);
  }

  void choose(const std::string& option) {
    if (option == "dense") case_.spec.psi = option;
    if (option == "gelu" || option == "hardtanh") case_.spec.activation = option;
    if (option == "signed") case_.spec.nonneg = false;
    if (option == "exp" || option == "norm") case_.spec.envelope = option;
    if (option == "clamp") case_.spec.denominator = "clamp_min";
    if (option == "separate") case_.separate = true;
    if (option == "segments") case_ = segment_case();
    if (option == "bfloat16") dtype_ = at::kBFloat16;
    if (option == "float16") dtype_ = at::kHalf;
    if (option == "causal") {
      case_.spec.causal = true;
      case_.shape.Nq = case_.shape.N;
    }
  }

  Result fused(const at::Tensor& grad) const {
    return run(in_, case_.spec, grad, Through::fused, dtype_);
  }
  Result fused() const { return fused(make_grad(case_)); }
  /// Queries from which on token n is seen.
  int64_t seen_from(int64_t n) const { return case_.spec.causal ? n : 0; }
  at::Tensor no_rows() const { return at::zeros({2, 4, case_.shape.Nq}, at::kBool); }

  Case case_;
  at::ScalarType dtype_ = at::kFloat;
  ops::Inputs in_;
};

/// Rows [B, H, Nq] that hold a NaN.
at::Tensor nan_rows(const at::Tensor& x) { return x.isnan().any(-1); }

/// From that row on.
at::Tensor rows_from(const at::Tensor& rows, int64_t first) {
  return rows.narrow(-1, first, rows.size(-1) - first);
}

TEST_P(Nan, InAQueryStaysInItsRow) {
  const at::Tensor clean = fused().tensors[0];
  in_.q[1][2][3][5] = kNan;
  const at::Tensor out = fused().tensors[0];
  at::Tensor expected = no_rows();
  expected[1][2][3] = true;
  EXPECT_TRUE(nan_rows(out).equal(expected));
  EXPECT_TRUE(out[1][2][3].isnan().all().item<bool>());
  const at::Tensor others = expected.logical_not().unsqueeze(-1);
  EXPECT_TRUE(same_bits(out.masked_select(others), clean.masked_select(others)));
}

TEST_P(Nan, InAKeyReachesItsHeadsAndNoOther) {
  in_.k[0][1][30][2] = kNan;  // key head 1 serves query heads 2 and 3
  const at::Tensor out = fused().tensors[0];
  at::Tensor expected = no_rows();
  rows_from(expected[0].narrow(0, 2, 2), seen_from(30)).fill_(true);
  EXPECT_TRUE(nan_rows(out).equal(expected));
}

TEST_P(Nan, InAValueReachesItsColumn) {
  in_.v[1][0][36][4] = kNan;
  const at::Tensor out = fused().tensors[0];
  at::Tensor expected = at::zeros_like(out, at::kBool);
  rows_from(expected[1].narrow(0, 0, 2).select(2, 4), seen_from(36)).fill_(true);
  EXPECT_TRUE(out.isnan().equal(expected));
}

TEST_P(Nan, OfMaskedKeysGoesNowhere) {
  at::Tensor keep = at::ones({2, case_.shape.N}, at::kBool);
  keep.narrow(1, 17, 9).fill_(false);
  in_.key_mask = keep;
  const Result clean = fused();
  in_.k.narrow(2, 17, 9).fill_(kNan);
  in_.v.narrow(2, 17, 9).fill_(kNan);
  const Result given = fused();
  for (size_t i = 0; i < clean.names.size(); ++i) {
    EXPECT_TRUE(same_bits(given.tensors[i], clean.tensors[i])) << clean.names[i];
  }
}

TEST_P(Nan, InGradOutputStaysInItsQuery) {
  at::Tensor grad = make_grad(case_);
  grad[0][1][2][3] = kNan;
  const Result given = fused(grad);
  at::Tensor expected = no_rows();
  expected[0][1][2] = true;
  const at::Tensor rows = nan_rows(given.tensors[1]);
  // A query without features passes no gradient on, whatever arrives.
  EXPECT_FALSE(rows.logical_and(expected.logical_not()).any().item<bool>());
}

std::vector<std::string> with(const std::string& option, std::vector<std::string> names) {
  for (std::string& name : names) name += " " + option;
  return names;
}

INSTANTIATE_TEST_SUITE_P(Maps, Nan,
                         ::testing::Values("luna", "luna dense", "luna gelu", "luna hardtanh",
                                           "luna signed", "luna exp", "luna norm", "luna clamp",
                                           "luna separate", "luna segments"));
INSTANTIATE_TEST_SUITE_P(Fixed, Nan, ::testing::ValuesIn(fused_map_names()));
INSTANTIATE_TEST_SUITE_P(Half, Nan,
                         ::testing::Values("luna bfloat16", "luna float16",
                                           "luna segments bfloat16", "luna dense float16",
                                           "luna causal bfloat16"));
INSTANTIATE_TEST_SUITE_P(FixedHalf, Nan, ::testing::ValuesIn(with("bfloat16", fused_map_names())));
INSTANTIATE_TEST_SUITE_P(Causal, Nan,
                         ::testing::Values("luna causal", "luna dense causal", "luna exp causal",
                                           "luna separate causal"));
INSTANTIATE_TEST_SUITE_P(FixedCausal, Nan, ::testing::ValuesIn(with("causal", causal_map_names())));

TEST(NanChRms, OfMaskedKeysGoesNowhere) {
  Case c = small_case();
  c.spec.ch_rms_target = 0.05;
  ops::Inputs in = make_inputs(c);
  in.key_mask = at::ones({2, c.shape.N}, at::kBool);
  in.key_mask->narrow(1, 17, 9).fill_(false);
  in.k.narrow(2, 17, 9).fill_(kNan);
  in.v.narrow(2, 17, 9).fill_(kNan);
  const Result fused = run(in, c.spec, make_grad(c), Through::fused);
  const Result exact = run(in, c.spec, make_grad(c), Through::reference, at::kDouble);
  for (size_t i = 0; i < fused.names.size(); ++i) {
    EXPECT_TRUE(fused.tensors[i].isfinite().all().item<bool>()) << fused.names[i];
    EXPECT_LE(error(fused.tensors[i], exact.tensors[i]).rms, 1e-5) << fused.names[i];
  }
}

}  // namespace
}  // namespace luna::test
