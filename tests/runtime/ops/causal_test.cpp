// What causal attention promises beside its values: nothing comes from the future, and the same
// bits for any number of threads.
#include <ATen/Parallel.h>

#include "tests/support/compare.h"

namespace luna::test {
namespace {

class Causal : public ::testing::TestWithParam<std::string> {
 protected:
  Causal() : case_(small_case(GetParam())) {
    case_.shape.N = case_.shape.Nq = tokens();
    case_.spec.causal = true;
    in_ = make_inputs(case_);
  }
  /// Two of the longest chunks and a part of one: of 256 tokens, on CUDA of 64.
  static int64_t tokens() { return fused_device().is_cpu() ? 600 : 150; }
  /// Within chunks and at their edges.
  static std::vector<int64_t> positions() {
    if (fused_device().is_cpu()) return {5, 255, 256, 511, 512, 599};
    return {5, 63, 64, 127, 128, 149};
  }
  at::Tensor forward(const ops::Inputs& in) const {
    return run_forward(in, case_.spec, Through::fused);
  }
  /// Rows before token t are as they were, bit for bit.
  void expect_same_before(int64_t t, const at::Tensor& out, const at::Tensor& clean) const {
    EXPECT_TRUE(same_bits(out.narrow(2, 0, t).contiguous(), clean.narrow(2, 0, t).contiguous()))
        << GetParam() << " token " << t;
  }

  Case case_;
  ops::Inputs in_;
};

TEST_P(Causal, NanReachesNoEarlierToken) {
  const at::Tensor clean = forward(in_);
  for (const int64_t t : positions()) {
    for (at::Tensor ops::Inputs::*which : {&ops::Inputs::q, &ops::Inputs::k, &ops::Inputs::v}) {
      ops::Inputs in = in_;
      in.*which = (in.*which).clone();
      (in.*which).select(2, t).fill_(kNan);
      const at::Tensor out = forward(in);
      expect_same_before(t, out, clean);
      EXPECT_TRUE(out.select(2, t).isnan().all().item<bool>()) << GetParam() << " token " << t;
    }
  }
}

TEST_P(Causal, NanReachesNoEarlierGradientOfQ) {
  const at::Tensor grad = make_grad(case_);
  const at::Tensor clean = run(in_, case_.spec, grad, Through::fused).tensors[1];
  for (const int64_t t : positions()) {
    for (at::Tensor ops::Inputs::*which : {&ops::Inputs::k, &ops::Inputs::v}) {
      ops::Inputs in = in_;
      in.*which = (in.*which).clone();
      (in.*which).select(2, t).fill_(kNan);
      expect_same_before(t, run(in, case_.spec, grad, Through::fused).tensors[1], clean);
    }
  }
}

TEST_P(Causal, LaterTokensDoNotMatter) {
  const at::Tensor clean = forward(in_);
  for (const int64_t t : positions()) {
    ops::Inputs in = in_;
    for (at::Tensor* x : {&in.q, &in.k, &in.v}) {
      *x = x->clone();
      x->narrow(2, t, x->size(2) - t).normal_().mul_(3.0);
    }
    expect_same_before(t, forward(in), clean);
  }
}

TEST_P(Causal, SameBitsForAnyNumberOfThreads) {
  const int64_t tokens = fused_device().is_cpu() ? 3000 : 150;
  case_.shape = {1, 2, 1, tokens, tokens, 8, 8, 4, 3, 5};
  in_ = make_inputs(case_);
  const at::Tensor grad = make_grad(case_);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Result one = run(in_, case_.spec, grad, Through::fused);
  at::set_num_threads(2);
  const Result two = run(in_, case_.spec, grad, Through::fused);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.names.size(); ++i) {
    EXPECT_TRUE(same_bits(one.tensors[i], two.tensors[i])) << GetParam() << " " << one.names[i];
  }
}

std::vector<std::string> causal_maps() {
  // On CUDA all maps share what comes after their features.
  std::vector<std::string> names{"elu"};
  if (fused_device().is_cpu()) names = causal_map_names();
  names.insert(names.begin(), "luna");
  return names;
}
INSTANTIATE_TEST_SUITE_P(Maps, Causal, ::testing::ValuesIn(causal_maps()));

}  // namespace
}  // namespace luna::test
