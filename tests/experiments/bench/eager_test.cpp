// What the fused operators are compared with in speed computes the same function as their formula.
#include "experiments/bench/eager.h"

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

}  // namespace
}  // namespace luna::bench
