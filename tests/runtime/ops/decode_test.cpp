// Prefill and decoding: together they are causal attention; a step changes its own sequences' state
// alone, whatever lies beside it and on any number of threads.
#include "tests/support/decode.h"

#include <ATen/Parallel.h>

#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace luna::test {
namespace {

class Decode : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { poison_fresh_memory(); }
  Decode() : case_(small_case(GetParam().substr(0, GetParam().find(' ')))) {
    const std::string option = GetParam().substr(std::min(GetParam().size(), GetParam().find(' ')));
    if (option == " dense") case_.spec.psi = "dense";
    if (option == " gelu") case_.spec.activation = "gelu";
    if (option == " signed") case_.spec.nonneg = false;
    if (option == " exp") case_.spec.envelope = "exp";
    if (option == " norm") case_.spec.envelope = "norm";
    if (option == " clamp") case_.spec.denominator = "clamp_min", case_.spec.eps = 0.5;
    if (option == " separate") case_.separate = true;
    if (option == " eps") case_.spec.feature_eps = 1e-2;
    if (option == " per_head") case_.per_head = true;
    const bool host = fused_device().is_cpu();
    if (!host) case_.shape.N = 6;
    if (option == " many") case_.shape = {host ? 70 : 2, 12, 2, 5, 5, 8, 34, 9, 4, 5};
    if (option == " ungrouped") case_.shape = {2, 2, 2, 6, 6, 20, 6, 5, 4, 5};
    case_.spec.causal = true;
    case_.shape.Nq = case_.shape.N;
    in_ = make_inputs(case_);
  }
  int64_t tokens() const { return case_.shape.N; }

  /// Outputs [B, H, N - prompt, dv] of the steps behind a prompt, and the state they leave.
  Prefilled decode(const ops::Inputs& in, int64_t prompt) const {
    Prefilled all = prefill(in, case_.spec, prompt);
    std::vector<at::Tensor> rows;
    for (int64_t n = prompt; n < tokens(); ++n) {
      rows.push_back(decode_step(in, case_.spec, n, all.state, all.norm));
    }
    all.out = at::stack(rows, 2);
    return all;
  }
  void expect_close(const at::Tensor& given, const at::Tensor& eager, const at::Tensor& exact,
                    const char* what) const {
    const Error found = error(given, exact), allowed = error(eager, exact);
    EXPECT_LE(found.rms, std::max(kEagerFactor * allowed.rms, kFloorTensors))
        << GetParam() << " " << what;
    EXPECT_LE(found.max, std::max(kEagerFactor * allowed.max, kFloorTensors))
        << GetParam() << " " << what;
  }

  Case case_;
  ops::Inputs in_;
};

TEST_P(Decode, PrefillAndStepsEqualCausalAttention) {
  const auto reference = [&](at::ScalarType dtype) {
    return run(in_, case_.spec, make_grad(case_), Through::reference, dtype).tensors[0];
  };
  for (const int64_t prompt : {int64_t{0}, tokens() / 2}) {
    in_.key_mask = at::ones({case_.shape.B, tokens()}, at::kBool);
    in_.key_mask->narrow(1, 0, prompt).random_(2);  // steps take in every token
    const at::Tensor exact = reference(at::kDouble), eager = reference(at::kFloat);
    const Prefilled given = decode(in_, prompt), whole = prefill(in_, case_.spec, tokens());
    const auto steps = [&](const at::Tensor& x) { return x.narrow(2, prompt, tokens() - prompt); };
    expect_close(given.out, steps(eager), steps(exact), "steps");
    expect_close(whole.out, eager, exact, "prefill");
    EXPECT_LE(error(given.state, whole.state).max, 1e-6) << GetParam();
    EXPECT_LE(error(given.norm, whole.norm).max, 1e-6) << GetParam();
  }
}

TEST_P(Decode, PrefillOfPackedSequencesLeavesAStateOfEach) {
  case_.shape.B = 1;
  in_ = make_inputs(case_);
  const int64_t cut = tokens() / 3;
  const Prefilled first = prefill(in_, case_.spec, cut);
  in_.cu_seqlens = at::tensor({int64_t{0}, cut, tokens()}).to(at::kInt);
  const Prefilled both = prefill(in_, case_.spec, tokens());
  EXPECT_TRUE(same_bits(both.state.narrow(0, 0, 1), first.state));
  EXPECT_TRUE(same_bits(both.norm.narrow(0, 0, 1), first.norm));
  EXPECT_EQ(both.state.size(0), 2);
}

TEST_P(Decode, TakesHalfPrecision) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    ops::Inputs half = in_, wide = in_;
    for (at::Tensor ops::Inputs::*x : {&ops::Inputs::q, &ops::Inputs::k, &ops::Inputs::v}) {
      half.*x = (in_.*x).to(dtype);
      wide.*x = (half.*x).to(at::kFloat);
    }
    const Prefilled given = decode(half, 3), exact = decode(wide, 3);
    EXPECT_EQ(given.out.scalar_type(), dtype);
    EXPECT_TRUE(same_bits(given.out, exact.out.to(dtype))) << GetParam();
    EXPECT_TRUE(same_bits(given.state, exact.state)) << GetParam();
  }
}

TEST_P(Decode, LayoutsDoNotMatter) {
  const Prefilled clean = decode(in_, 3);
  ops::Inputs in = in_;
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = lay_out(*x, Layout::last_stride);
  Prefilled given = prefill(in, case_.spec, 3);
  given.state = lay_out(given.state, Layout::sliced);
  given.norm = lay_out(given.norm.unsqueeze(0), Layout::tokens_first).squeeze(0);
  for (int64_t n = 3; n < tokens(); ++n) {
    const at::Tensor out = decode_step(in, case_.spec, n, given.state, given.norm);
    EXPECT_TRUE(same_bits(out, clean.out.select(2, n - 3))) << GetParam() << " " << n;
  }
  EXPECT_TRUE(same_bits(given.state, clean.state)) << GetParam();
  EXPECT_TRUE(same_bits(given.norm, clean.norm)) << GetParam();
}

/// What a step reads may be a view with torch's negative bit; what it updates may not.
TEST_P(Decode, TakesNegativeViews) {
  const Prefilled clean = decode(in_, 3);
  ops::Inputs in = in_;
  const auto negate = [](at::Tensor& x) { x = at::_neg_view(x.neg()); };
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) negate(*x);
  for (at::Tensor& x : in.params) negate(x);
  const Prefilled given = decode(in, 3);
  EXPECT_TRUE(same_bits(given.out, clean.out)) << GetParam();
  EXPECT_TRUE(same_bits(given.state, clean.state)) << GetParam();
  EXPECT_TRUE(same_bits(given.norm, clean.norm)) << GetParam();
}

TEST_P(Decode, SameBitsForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Prefilled one = decode(in_, 3);
  at::set_num_threads(2);
  const Prefilled two = decode(in_, 3);
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(one.out, two.out)) << GetParam();
  EXPECT_TRUE(same_bits(one.state, two.state)) << GetParam();
  EXPECT_TRUE(same_bits(one.norm, two.norm)) << GetParam();
}

TEST_P(Decode, NanStaysInItsHeads) {
  const Prefilled clean = decode(in_, 3);
  for (at::Tensor ops::Inputs::*which : {&ops::Inputs::q, &ops::Inputs::k, &ops::Inputs::v}) {
    ops::Inputs in = in_;
    in.*which = (in.*which).clone();
    (in.*which)[1][0][4].fill_(kNan);
    const Prefilled given = decode(in, 3);
    const at::Tensor reached = given.out.isnan().flatten(2).any(-1);
    // Head 0 of k and v serves the first group of query heads.
    const int64_t group = case_.shape.H / case_.shape.Hk;
    at::Tensor expected = at::zeros_like(reached);
    expected[1].narrow(0, 0, which == &ops::Inputs::q ? 1 : group).fill_(true);
    EXPECT_TRUE(reached.equal(expected)) << GetParam();
    const at::Tensor others = expected.logical_not();
    EXPECT_TRUE(same_bits(given.out.index({others}), clean.out.index({others}))) << GetParam();
    EXPECT_FALSE(given.out.select(2, 0).isnan().any().item<bool>()) << GetParam();
    if (which != &ops::Inputs::q) continue;
    EXPECT_TRUE(same_bits(given.state, clean.state)) << GetParam();
  }
}

std::vector<std::string> decode_maps() {
  std::vector<std::string> names = causal_map_names();
  for (const char* more :
       {"luna", "luna dense", "luna gelu", "luna signed", "luna exp", "luna norm", "luna clamp",
        "luna ungrouped", "elu ungrouped", "luna separate", "luna eps", "luna many", "t2r per_head",
        "hedgehog per_head", "polaformer many"}) {
    names.push_back(more);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Maps, Decode, ::testing::ValuesIn(decode_maps()));

/// Two sequences of one batch, the second 5 tokens longer.
TEST(DecodeLengths, MayDiffer) {
  Case c = small_case("cosformer:64");
  c.spec.causal = true;
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = make_inputs(c);
  const std::vector<int64_t> lengths{7, 12};
  std::vector<Prefilled> alone;
  std::vector<at::Tensor> q, k, v, out, state, norm;
  for (int64_t b = 0; b < 2; ++b) {
    ops::Inputs own = in;
    for (at::Tensor ops::Inputs::*x : {&ops::Inputs::q, &ops::Inputs::k, &ops::Inputs::v}) {
      own.*x = (in.*x).narrow(0, b, 1);
    }
    Prefilled prompt = prefill(own, c.spec, lengths[b]);
    state.push_back(prompt.state.clone());
    norm.push_back(prompt.norm.clone());
    out.push_back(decode_step(own, c.spec, lengths[b], prompt.state, prompt.norm));
    alone.push_back(prompt);
    q.push_back(own.q.select(2, lengths[b]));
    k.push_back(own.k.select(2, lengths[b]));
    v.push_back(own.v.select(2, lengths[b]));
  }
  const at::Tensor states = at::cat(state), norms = at::cat(norm);
  const auto together = [](const std::vector<at::Tensor>& x) {
    return at::cat(x).to(fused_device());
  };
  const at::Tensor given =
      fixed_decode_step(together(q), together(k), together(v), states, norms, c.spec.feature_map,
                        {}, {}, at::tensor(lengths).to(fused_device()));
  EXPECT_TRUE(same_bits(given, at::cat(out)));
  EXPECT_TRUE(same_bits(states, at::cat({alone[0].state, alone[1].state})));
  EXPECT_TRUE(same_bits(norms, at::cat({alone[0].norm, alone[1].norm})));
}

}  // namespace
}  // namespace luna::test
