// Where a NaN may go: a query's stays in its row, a key's or value's reaches its (b, h), a masked
// token's nowhere.
#include "tests/support/compare.h"

namespace luna::test {
namespace {

class Nan : public ::testing::TestWithParam<std::string> {
 protected:
  Nan() : case_(small_case(GetParam().substr(0, GetParam().find(' ')))) {
    const std::string option = GetParam().substr(std::min(GetParam().size(), GetParam().find(' ')));
    if (option == " dense") case_.spec.psi = "dense";
    if (option == " gelu" || option == " hardtanh") case_.spec.activation = option.substr(1);
    if (option == " signed") case_.spec.nonneg = false;
    if (option == " exp") case_.spec.envelope = "exp";
    if (option == " norm") case_.spec.envelope = "norm";
    if (option == " clamp") case_.spec.denominator = "clamp_min";
    if (option == " separate") case_.separate = true;
    if (option == " segments") case_ = segment_case();
    in_ = make_inputs(case_);
  }
  Result fused() const { return run(in_, case_.spec, make_grad(case_), Through::fused); }

  Case case_;
  ops::Inputs in_;
};

/// Rows [B, H, Nq] that hold a NaN.
at::Tensor nan_rows(const at::Tensor& x) { return x.isnan().any(-1); }

TEST_P(Nan, InAQueryStaysInItsRow) {
  const at::Tensor clean = fused().tensors[0];
  in_.q[1][2][3][5] = kNan;
  const at::Tensor out = fused().tensors[0];
  at::Tensor expected = at::zeros({2, 4, case_.shape.Nq}, at::kBool);
  expected[1][2][3] = true;
  EXPECT_TRUE(nan_rows(out).equal(expected));
  EXPECT_TRUE(out[1][2][3].isnan().all().item<bool>());
  const at::Tensor others = expected.logical_not().unsqueeze(-1);
  EXPECT_TRUE(same_bits(out.masked_select(others), clean.masked_select(others)));
}

TEST_P(Nan, InAKeyReachesItsHeadsAndNoOther) {
  in_.k[0][1][30][2] = kNan;  // key head 1 serves query heads 2 and 3
  const at::Tensor out = fused().tensors[0];
  at::Tensor expected = at::zeros({2, 4, case_.shape.Nq}, at::kBool);
  expected[0][2].fill_(true);
  expected[0][3].fill_(true);
  EXPECT_TRUE(nan_rows(out).equal(expected));
}

TEST_P(Nan, InAValueReachesItsColumn) {
  in_.v[1][0][36][4] = kNan;
  const at::Tensor out = fused().tensors[0];
  at::Tensor expected = at::zeros_like(out, at::kBool);
  expected.narrow(0, 1, 1).narrow(1, 0, 2).select(3, 4).fill_(true);
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
  const Result given = run(in_, case_.spec, grad, Through::fused);
  at::Tensor expected = at::zeros({2, 4, case_.shape.Nq}, at::kBool);
  expected[0][1][2] = true;
  const at::Tensor rows = nan_rows(given.tensors[1]);
  // A query without features passes no gradient on, whatever arrives.
  EXPECT_FALSE(rows.logical_and(expected.logical_not()).any().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Maps, Nan,
                         ::testing::Values("luna", "luna dense", "luna gelu", "luna hardtanh",
                                           "luna signed", "luna exp", "luna norm", "luna clamp",
                                           "luna separate", "luna segments"));
INSTANTIATE_TEST_SUITE_P(Fixed, Nan, ::testing::ValuesIn(fused_map_names()));

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
