// What the fused operators are compared with in speed computes the same function as their formula.
#include "experiments/bench/eager.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "runtime/ops/reference.h"

namespace luna::bench {
namespace {

const Size kSmall{"small", 2, 3, 37, 8, 5, 4, 13};

Inputs exact_inputs(const std::string& name) {
  for (const Operator& op : operators()) {
    if (op.name == name) return draw_inputs(op, kSmall, 3).copy(at::kDouble, /*gradients=*/false);
  }
  throw std::runtime_error("no operator " + name);
}

at::Tensor by_formula(const std::string& map, const Inputs& in) {
  ops::Spec spec;
  spec.feature_map = map;
  return ops::reference_attention({in.q, in.k, in.v, in.params, {}}, spec);
}

TEST(Eager, Listing1EqualsTheFormula) {
  const Inputs in = exact_inputs("listing1");
  EXPECT_TRUE(at::allclose(eager_listing1(in), by_formula("luna", in), 1e-11, 1e-12));
}

TEST(Eager, EluEqualsTheFormula) {
  const Inputs in = exact_inputs("eager_elu");
  EXPECT_TRUE(at::allclose(eager_elu(in), by_formula("elu", in), 1e-11, 1e-12));
}

/// A step in bfloat16 keeps its sums in float32: it leaves what one in float32 of the same tokens
/// leaves, up to the rounding of phi.
TEST(Eager, StepsKeepTheirStateInFloat32) {
  const Size one{"one", 2, 3, 1, 8, 5, 4, 13};
  for (const Operator& op : decode_operators()) {
    if (op.kind != OperatorKind::kEager) continue;
    const Inputs half = draw_inputs(op, one, 3).on(c10::kCPU, at::kBFloat16);
    Inputs exact = half.on(c10::kCPU, at::kFloat);
    exact.state = half.state.clone();
    exact.norm = half.norm.clone();
    const at::NoGradGuard no_grad;
    const at::Tensor given = op.apply(half), expected = op.apply(exact);
    EXPECT_EQ(given.scalar_type(), at::kBFloat16) << op.name;
    EXPECT_EQ(half.state.scalar_type(), at::kFloat) << op.name;
    EXPECT_TRUE(at::allclose(half.state, exact.state, 2e-2, 2e-2)) << op.name;
    EXPECT_TRUE(at::allclose(given.to(at::kFloat), expected, 2e-2, 2e-2)) << op.name;
  }
}

}  // namespace
}  // namespace luna::bench
