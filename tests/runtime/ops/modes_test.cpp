// The oracle's modes over every map: causal, packed, decoding; where a NaN may go in the usual one.
#include <gtest/gtest.h>

#include "runtime/ops/reference.h"
#include "tests/runtime/ops/map_cases.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

/// Tokens [first, last) alone.
ops::Inputs tokens(const ops::Inputs& in, int64_t first, int64_t last) {
  const auto cut = [&](const at::Tensor& x) { return x.narrow(2, first, last - first); };
  ops::Inputs out{cut(in.q), cut(in.k), cut(in.v), in.params, {}};
  if (in.key_mask) out.key_mask = in.key_mask->narrow(1, first, last - first);
  return out;
}

class Causal : public ::testing::TestWithParam<std::string> {
 protected:
  Causal() : case_(causal_case(GetParam())), in_(in_double(make_inputs(case_))) {}

  Result run_reference(const ops::Inputs& in, const at::Tensor& grad) const {
    return run(in, case_.spec, grad, Through::reference, at::kDouble);
  }

  Case case_;
  ops::Inputs in_;
};

TEST_P(Causal, ATokenKnowsNothingOfLaterOnes) {
  const int64_t N = case_.shape.N;
  const at::Tensor whole = ops::reference_attention(in_, case_.spec);
  for (int64_t n = 1; n < N; ++n) {
    const at::Tensor part = ops::reference_attention(tokens(in_, 0, n), case_.spec);
    EXPECT_TRUE(at::allclose(part, whole.narrow(2, 0, n), 1e-12, 1e-13)) << n;
  }
}

/// Neither the output nor q's gradient. (Keys' do: later outputs depend on earlier keys.)
TEST_P(Causal, NanReachesNoEarlierToken) {
  constexpr int64_t kAt = 3;
  const at::Tensor grad = make_grad(case_).to(at::kDouble);
  const Result clean = run_reference(in_, grad);
  for (at::Tensor ops::Inputs::*side : {&ops::Inputs::q, &ops::Inputs::k, &ops::Inputs::v}) {
    ops::Inputs given = in_;
    given.*side = (in_.*side).clone();
    (given.*side).select(2, kAt).fill_(NAN);
    const Result result = run_reference(given, grad);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(at::allclose(result.tensors[i].narrow(2, 0, kAt),
                               clean.tensors[i].narrow(2, 0, kAt), 1e-12, 1e-13))
          << result.names[i];
    }
    EXPECT_TRUE(result.tensors[0].select(2, kAt).isnan().all().item<bool>());
  }
}

TEST_P(Causal, PrefillAndStepsEqualIt) {
  case_.mask = MaskKind::random;
  in_ = in_double(make_inputs(case_));
  const int64_t N = case_.shape.N;
  const at::Tensor whole = ops::reference_attention(in_, case_.spec);
  for (const int64_t prompt : {int64_t{0}, int64_t{4}}) {
    ops::DecodeState state = ops::reference_prefill(tokens(in_, 0, prompt), case_.spec);
    for (int64_t n = prompt; n < N; ++n) {
      const at::Tensor out = ops::reference_decode_step(tokens(in_, n, n + 1), case_.spec, state);
      EXPECT_TRUE(at::allclose(out, whole.narrow(2, n, 1), 1e-11, 1e-12)) << prompt << " " << n;
    }
    const ops::DecodeState end = ops::reference_prefill(in_, case_.spec);
    EXPECT_TRUE(at::allclose(state.state, end.state, 1e-12, 1e-13));
    EXPECT_TRUE(at::allclose(state.norm, end.norm, 1e-12, 1e-13));
    EXPECT_EQ(state.tokens, end.tokens);
  }
}

INSTANTIATE_TEST_SUITE_P(Maps, Causal, ::testing::ValuesIn(causal_maps()), map_test_name);

class Whole : public ::testing::TestWithParam<std::string> {
 protected:
  Whole() : case_(causal_case(GetParam())) {
    case_.spec.causal = false;
    in_ = in_double(make_inputs(case_));
  }
  /// The rows [B, H, Nq] of the output that hold a NaN, all of them NaN throughout.
  at::Tensor nan_rows() const {
    const at::Tensor nan = ops::reference_attention(in_, case_.spec).isnan();
    EXPECT_TRUE(nan.any(-1).equal(nan.all(-1)));
    return nan.any(-1);
  }

  Case case_;
  ops::Inputs in_;
};

TEST_P(Whole, NanOfAQueryStaysInItsRowAndOfAKeyInItsHeads) {
  at::Tensor expected = at::zeros({2, 4, case_.shape.Nq}, at::kBool);
  in_.q[1][2][3][1] = NAN;
  expected[1][2][3] = true;
  EXPECT_TRUE(nan_rows().equal(expected));
  in_.k[0][1][5][2] = NAN;  // key head 1 serves query heads 2 and 3
  expected[0].narrow(0, 2, 2).fill_(true);
  EXPECT_TRUE(nan_rows().equal(expected));
}

TEST_P(Whole, NanOfAMaskedKeyGoesNowhere) {
  in_.key_mask = at::ones({2, case_.shape.N}, at::kBool);
  in_.key_mask->narrow(1, 2, 3).fill_(false);
  const at::Tensor grad = make_grad(case_).to(at::kDouble);
  const Result clean = run(in_, case_.spec, grad, Through::reference, at::kDouble);
  in_.k.narrow(2, 2, 3).fill_(NAN);
  in_.v.narrow(2, 2, 3).fill_(NAN);
  const Result given = run(in_, case_.spec, grad, Through::reference, at::kDouble);
  for (size_t i = 0; i < clean.names.size(); ++i) {
    EXPECT_TRUE(same_bits(given.tensors[i], clean.tensors[i])) << clean.names[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Maps, Whole, ::testing::ValuesIn(ops::fixed_map_variants()),
                         map_test_name);

class Packed : public ::testing::TestWithParam<std::tuple<std::string, bool>> {};

TEST_P(Packed, SequencesDoNotMeet) {
  const auto& [name, causal] = GetParam();
  Case c = causal_case(name);
  c.spec.causal = causal;
  c.shape.B = 1;
  c.shape.N = c.shape.Nq = 9;
  c.mask = MaskKind::random;
  ops::Inputs in = in_double(make_inputs(c));
  const std::vector<int64_t> begins{0, 4, 4, 5, 9};
  std::vector<at::Tensor> alone;
  for (size_t s = 0; s + 1 < begins.size(); ++s) {
    alone.push_back(ops::reference_attention(tokens(in, begins[s], begins[s + 1]), c.spec));
  }
  in.cu_seqlens = at::tensor(begins).to(at::kInt);
  const at::Tensor given = ops::reference_attention(in, c.spec);
  EXPECT_TRUE(same_bits(given, at::cat(alone, 2)));
  in.k = in.k.clone();
  in.k.select(2, 8) += 1;  // of the last sequence
  EXPECT_TRUE(
      same_bits(ops::reference_attention(in, c.spec).narrow(2, 0, 5), given.narrow(2, 0, 5)));
}

INSTANTIATE_TEST_SUITE_P(Maps, Packed,
                         ::testing::Combine(::testing::ValuesIn(causal_maps()), ::testing::Bool()));
INSTANTIATE_TEST_SUITE_P(CosFormer, Packed,
                         ::testing::Values(std::make_tuple(std::string("cosformer"), false)));

}  // namespace
}  // namespace luna::test
