#include "experiments/bench/gate.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>

namespace luna::bench {
namespace {

using Function = std::function<at::Tensor(const Inputs&)>;

constexpr uint64_t kSeed = 11;
constexpr double kAccepted = 3e-6;

/// Output, dq, dk, dv in float64, the upstream gradient being the same N(0, 1) draw for all.
std::vector<at::Tensor> results(const Function& function, const Inputs& drawn,
                                at::ScalarType dtype) {
  const Inputs in = drawn.copy(dtype, /*gradients=*/true);
  const at::Tensor out = function(in);
  const at::Tensor upstream = at::randn(out.sizes(), at::detail::createCPUGenerator(kSeed + 1),
                                        at::TensorOptions(at::kDouble));
  std::vector<at::Tensor> all =
      torch::autograd::grad({out}, {in.q, in.k, in.v}, {upstream.to(dtype)});
  all.insert(all.begin(), out.detach());
  for (at::Tensor& tensor : all) tensor = tensor.to(at::kDouble);
  return all;
}

double largest_error(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double scale = expected[i].abs().max().item<double>();
    const double error = (got[i] - expected[i]).abs().max().item<double>() / scale;
    if (!(error <= std::numeric_limits<double>::max()))
      return std::numeric_limits<double>::infinity();
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace

GateResult check(const Operator& op, const Size& size) {
  Size small = size;
  small.B = 1;
  small.H = 2;
  small.N = 100;
  const Inputs drawn = draw_inputs(op, small, kSeed);
  const auto exact = results(op.reference, drawn, at::kDouble);
  const double formula = largest_error(results(op.reference, drawn, at::kFloat), exact);
  const double error = largest_error(results(op.apply, drawn, at::kFloat), exact);
  return {op.name, error, std::max(3 * formula, kAccepted)};
}

}  // namespace luna::bench
