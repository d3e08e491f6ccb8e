// What decoding keeps beside its sums: autograd's count of changes, maps from step to step, states
// under autocast.
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "runtime/ops/prepared_map.h"
#include "tests/support/compare.h"
#include "tests/support/decode.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

TEST(DecodeState, CountsItsChangesForAutograd) {
  Case c = small_case("elu");
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = make_inputs(c);
  const Prefilled prompt = prefill(in, c.spec, 3);
  const auto before = prompt.state._version();
  decode_step(in, c.spec, 3, prompt.state, prompt.norm);
  EXPECT_EQ(prompt.state._version(), before + 1);
  EXPECT_EQ(prompt.norm._version(), before + 1);
}

/// A prompt's backward reads the state that it left: steps before it go into clones.
TEST(DecodeState, IsClonedForABackwardBehindSteps) {
  Case c = small_case("elu");
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = make_inputs(c);
  const auto gradient = [&](bool cloned) {
    ops::Inputs own = in;
    own.k = in.k.clone().requires_grad_(true);
    const Prefilled prompt = prefill(own, c.spec, 3);
    const auto kept = [&](const at::Tensor& x) { return cloned ? x.clone() : x; };
    decode_step(in, c.spec, 3, kept(prompt.state), kept(prompt.norm));
    prompt.out.sum().backward();
    return own.k.grad();
  };
  ops::Inputs plain = in;
  plain.k = in.k.clone().requires_grad_(true);
  prefill(plain, c.spec, 3).out.sum().backward();
  EXPECT_TRUE(same_bits(gradient(true), plain.k.grad()));
  const std::string refusal = torch_error_of([&] { gradient(false); });
  EXPECT_NE(refusal.find("modified by an inplace operation"), std::string::npos) << refusal;
}

/// Maps are kept for parameters of the same bits, whatever tensors hold them.
TEST(DecodeMaps, AreKeptBitForBit) {
  for (const char* name : {"luna", "luna-deep"}) {
    const Case c = small_case(name);
    std::vector<at::Tensor> params = make_inputs(c).params;
    const auto first = ops::kept_map(c.spec.op(), params, c.spec);
    std::vector<at::Tensor> copies;
    for (const at::Tensor& param : params) copies.push_back(param.clone());
    EXPECT_EQ(ops::kept_map(c.spec.op(), copies, c.spec), first) << name;
    ops::Spec other = c.spec;
    other.feature_eps = 0.5;
    EXPECT_NE(ops::kept_map(c.spec.op(), params, other), first) << name;
    params[3].variable_data().flatten()[0] += 1.0;  // no version tells
    EXPECT_NE(ops::kept_map(c.spec.op(), params, c.spec), first) << name;
    EXPECT_EQ(ops::kept_map(c.spec.op(), copies, c.spec), first) << name;
  }
}

TEST(DecodeMaps, FollowTheirParameters) {
  Case c = small_case();
  c.spec.causal = true;
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = make_inputs(c);
  for (int change = 0; change < 3; ++change) {
    in.params[ops::kW2].variable_data().mul_(1.5);
    const Prefilled whole = prefill(in, c.spec, 4), prompt = prefill(in, c.spec, 3);
    const at::Tensor out = decode_step(in, c.spec, 3, prompt.state, prompt.norm);
    EXPECT_LE(error(out, whole.out.select(2, 3)).max, 1e-5) << change;
    EXPECT_LE(error(prompt.state, whole.state).max, 1e-6) << change;
  }
}

TEST(DecodeAutocast, KnowsEveryOperatorOnEveryDevice) {
  for (const char* op : {"luna_attention", "fixed_attention", "luna_prefill", "fixed_prefill",
                         "luna_decode_step", "fixed_decode_step"}) {
    const auto handle =
        c10::Dispatcher::singleton().findSchemaOrThrow((std::string("luna::") + op).c_str(), "");
    for (const auto key : {c10::DispatchKey::AutocastCPU, c10::DispatchKey::AutocastCUDA}) {
      EXPECT_TRUE(handle.hasKernelForDispatchKey(key)) << op << " " << key;
    }
  }
}

TEST(DecodeAutocast, CastsTokensAndKeepsTheState) {
  Case c = small_case("elu");
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = make_inputs(c);
  const c10::DeviceType device = fused_device().type();
  at::autocast::set_autocast_enabled(device, true);
  const Prefilled prompt = prefill(in, c.spec, 3);
  const at::Tensor out = decode_step(in, c.spec, 3, prompt.state, prompt.norm);
  at::autocast::set_autocast_enabled(device, false);
  at::autocast::clear_cache();
  const at::ScalarType dtype = at::autocast::get_autocast_dtype(device);
  EXPECT_EQ(prompt.out.scalar_type(), dtype);
  EXPECT_EQ(out.scalar_type(), dtype);
  EXPECT_EQ(prompt.state.scalar_type(), at::kFloat);
  const Prefilled exact = prefill(in, c.spec, 3);
  const at::Tensor expected = decode_step(in, c.spec, 3, exact.state, exact.norm);
  EXPECT_LE(error(out, expected).rms, 1e-2);
  EXPECT_LE(error(prompt.state, exact.state).rms, 1e-2);
}

TEST(DecodeState, OfNoSequenceIsNothing) {
  const auto none = [](at::IntArrayRef shape) {
    return at::zeros(shape, at::TensorOptions(fused_device()));
  };
  const at::Tensor out = fixed_decode_step(none({0, 2, 4}), none({0, 2, 4}), none({0, 2, 3}),
                                           none({0, 2, 4, 3}), none({0, 2, 4}), "elu", {});
  EXPECT_EQ(out.sizes(), (std::vector<int64_t>{0, 2, 3}));
}

}  // namespace
}  // namespace luna::test
