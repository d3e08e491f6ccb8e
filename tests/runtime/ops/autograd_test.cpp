// Autograd's contract: only what is asked for, nothing saved without grad, no second derivative,
// the same bits on repeat and for any number of threads.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/forward_grad.h>

#include "runtime/ops/attention.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

/// Leaves of a case; those in wanted require grad.
ops::Inputs leaves(const Case& c, const std::vector<bool>& wanted) {
  ops::Inputs in = make_inputs(c);
  std::vector<at::Tensor*> all{&in.q, &in.k, &in.v};
  for (at::Tensor& p : in.params) all.push_back(&p);
  for (size_t i = 0; i < all.size(); ++i) *all[i] = all[i]->detach().requires_grad_(wanted[i]);
  return in;
}

std::vector<at::Tensor> gradients(const Case& c, const std::vector<bool>& wanted) {
  const ops::Inputs in = leaves(c, wanted);
  run_forward(in, c.spec, Through::fused).backward(make_grad(c));
  std::vector<at::Tensor> out{in.q.grad(), in.k.grad(), in.v.grad()};
  for (const at::Tensor& p : in.params) out.push_back(p.grad());
  return out;
}

std::vector<Case> autograd_cases() {
  std::vector<Case> cases{small_case(), small_case(), small_case(), segment_case()};
  cases[1].spec.ch_rms_target = 0.05;
  cases[1].spec.envelope = "exp";
  cases[2].spec.psi = "dense";
  cases[3].spec.envelope = "exp";
  return cases;
}

class Autograd : public ::testing::TestWithParam<Case> {};

TEST_P(Autograd, EverySubsetOfGradientsEqualsTheFullSet) {
  constexpr size_t kTensors = 9;
  const std::vector<at::Tensor> all = gradients(GetParam(), std::vector<bool>(kTensors, true));
  for (size_t first = 0; first < kTensors; ++first) {
    for (size_t second = first; second < kTensors; ++second) {
      std::vector<bool> wanted(kTensors, false);
      wanted[first] = wanted[second] = true;
      const std::vector<at::Tensor> some = gradients(GetParam(), wanted);
      for (size_t i = 0; i < kTensors; ++i) {
        ASSERT_EQ(some[i].defined(), static_cast<bool>(wanted[i])) << i;
        if (!wanted[i]) continue;
        EXPECT_LE(error(some[i], all[i]).max, 1e-6) << i;
      }
    }
  }
}

TEST_P(Autograd, GradientsNotWantedAreUndefined) {
  const Case& c = GetParam();
  const ops::Inputs in = move_to(make_inputs(c), fused_device());
  const kernels::Forward saved = ops::attention_forward(in, c.spec);
  const ops::Gradients got =
      ops::attention_backward(make_grad(c).to(fused_device()), in, saved, c.spec,
                              {false, false, true, std::vector<bool>(6, false)});
  EXPECT_TRUE(got.v.defined());
  EXPECT_FALSE(got.q.defined());
  EXPECT_FALSE(got.k.defined());
  for (const at::Tensor& p : got.params) EXPECT_FALSE(p.defined());
}

TEST_P(Autograd, RepeatsBitForBitOnOneAndTwoThreads) {
  poison_fresh_memory();
  Case c = GetParam();
  c.shape.N = 1000;
  c.shape.Nq = 333;
  const ops::Inputs in = make_inputs(c);
  const int threads = at::get_num_threads();
  const auto on = [&](int count) {
    at::set_num_threads(count);
    return run(in, c.spec, make_grad(c), Through::fused);
  };
  const Result first = on(1);
  for (const int count : {1, 2, 2}) {
    const Result again = on(count);
    for (size_t i = 0; i < first.names.size(); ++i) {
      EXPECT_TRUE(same_bits(first.tensors[i], again.tensors[i]))
          << first.names[i] << " on " << count;
    }
  }
  at::set_num_threads(threads);
}

INSTANTIATE_TEST_SUITE_P(Maps, Autograd, ::testing::ValuesIn(autograd_cases()));

TEST(AutogradFixed, RepeatsBitForBitOnOneAndTwoThreads) {
  const int threads = at::get_num_threads();
  for (const std::string& map : fused_map_names()) {
    Case c = small_case(map);
    c.shape.N = 1000;
    const ops::Inputs in = make_inputs(c);
    at::set_num_threads(1);
    const Result one = run(in, c.spec, make_grad(c), Through::fused);
    at::set_num_threads(2);
    const Result two = run(in, c.spec, make_grad(c), Through::fused);
    for (size_t i = 0; i < one.names.size(); ++i) {
      EXPECT_TRUE(same_bits(one.tensors[i], two.tensors[i])) << map << " " << one.names[i];
    }
  }
  at::set_num_threads(threads);
}

/// Sums over tokens that nobody wants are not taken; dq, dk, dv have the bits that they had.
TEST(AutogradFixed, InputsGradientsAreTheSameWithoutParameters) {
  for (const std::string& map : fused_map_names()) {
    for (const bool causal : {false, true}) {
      Case c = small_case(map);
      c.spec.causal = causal && map != "cosformer";
      c.shape.Nq = c.shape.N;
      std::vector<bool> wanted(3, true), inputs_alone(3, true);
      for (const ops::MapParam& param : ops::find_fixed_map(map).params()) {
        wanted.push_back(param.kind == ops::ParamKind::trained);
        inputs_alone.push_back(false);
      }
      const std::vector<at::Tensor> all = gradients(c, wanted), some = gradients(c, inputs_alone);
      for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(all[i], some[i])) << describe(c) << i;
      for (size_t i = 3; i < some.size(); ++i) EXPECT_FALSE(some[i].defined()) << describe(c) << i;
    }
  }
}

TEST(AutogradRules, WithoutGradNothingIsSaved) {
  const Case c = small_case();
  const ops::Inputs in = leaves(c, std::vector<bool>(9, true));
  {
    at::NoGradGuard no_grad;
    const int64_t users = in.q.use_count();
    const at::Tensor out = run_forward(in, c.spec, Through::fused);
    EXPECT_FALSE(out.requires_grad());
    EXPECT_EQ(out.grad_fn(), nullptr);
    EXPECT_EQ(in.q.use_count(), users);
  }
  EXPECT_TRUE(run_forward(in, c.spec, Through::fused).requires_grad());
}

TEST(AutogradRules, ForwardModeRaises) {
  const std::string refusal =
      "luna: a fused attention has no forward-mode derivative; use reverse mode, or "
      "luna::reference_attention.";
  const uint64_t level = torch::autograd::forward_ad::enter_dual_level();
  for (const char* map : {"luna", "elu"}) {
    for (const bool requires_grad : {false, true}) {
      const Case c = small_case(map);
      ops::Inputs in = make_inputs(c);
      in.q.requires_grad_(requires_grad);
      in.k._set_fw_grad(at::ones_like(in.k), level, /*is_inplace_op=*/false);
      EXPECT_EQ(torch_error_of([&] { run_forward(in, c.spec, Through::fused); }), refusal) << map;
    }
  }
  torch::autograd::forward_ad::exit_dual_level(level);
}

TEST(AutogradRules, DifferentiatingTheGradientRaises) {
  const Case c = small_case();
  const ops::Inputs in = leaves(c, std::vector<bool>(9, true));
  const at::Tensor out = run_forward(in, c.spec, Through::fused);
  const auto first =
      torch::autograd::grad({out.sum()}, {in.q, in.params[0]}, {}, true, /*create_graph=*/true);
  for (const at::Tensor& gradient : first) {
    EXPECT_EQ(torch_error_of([&] { gradient.sum().backward(); }),
              "luna: the gradient of a fused attention cannot be differentiated again; use "
              "luna::reference_attention where second derivatives are needed.");
  }
}

}  // namespace
}  // namespace luna::test
