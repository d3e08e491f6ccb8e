#include "experiments/bench/gate.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace luna::bench {
namespace {

using Function = std::function<at::Tensor(const Inputs&)>;

constexpr uint64_t kGateSeed = 11;
constexpr double kAccepted = 3e-6, kAcceptedParams = 3e-4;  // as tests/support/compare.h
/// A scan adds one token after the other, eager torch in blocks: its sums round more often.
constexpr double kFactor = 3, kCausalFactor = 8;
constexpr int64_t kTokens = 512;  // the kernels that long sequences take
constexpr size_t kTensors = 4;    // out, dq, dk, dv; then parameters

/// Output of a decoding step, and the state that it leaves.
std::vector<at::Tensor> stepped(const Function& function, const Inputs& in) {
  const at::Tensor out = function(in);
  return {out.to(at::kDouble), in.state.to(at::kDouble), in.norm.to(at::kDouble)};
}

/// Output, dq, dk, dv and the gradients of learned parameters in float64, the upstream gradient
/// being the same N(0, 1) draw for all, rounded to `storage`.
std::vector<at::Tensor> results(const Function& function, const Inputs& drawn, at::ScalarType dtype,
                                at::ScalarType storage) {
  if (drawn.state.defined()) return stepped(function, drawn.copy(dtype, /*gradients=*/false));
  const Inputs in = drawn.copy(dtype, /*gradients=*/true);
  const at::Tensor out = function(in);
  const at::Tensor upstream = at::randn(out.sizes(), at::detail::createCPUGenerator(kGateSeed + 1),
                                        at::TensorOptions(at::kDouble));
  std::vector<at::Tensor> all =
      torch::autograd::grad({out}, in.leaves(), {upstream.to(storage).to(dtype)});
  all.insert(all.begin(), out.detach());
  for (at::Tensor& tensor : all) tensor = tensor.to(at::kDouble);
  return all;
}

/// Of half precision two roundings; float32's are within the limits for it. Beside float16 features
/// have no more bits than it has (generators/attention/tensor/state.cuh): two more, of the sums
/// over keys and over queries, both of which the gradients at k and v depend on.
double accepted_of(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return 2 * std::ldexp(1.0, -8);
  return dtype == at::kHalf ? 4 * std::ldexp(1.0, -11) : 0;
}

/// Infinite where it is not finite.
double error(const at::Tensor& given, const at::Tensor& expected) {
  const double scale = expected.abs().max().item<double>();
  const double error = (given - expected).abs().max().item<double>() / scale;
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

}  // namespace

GateResult check(const Operator& op, const Size& size, bool causal, at::ScalarType dtype) {
  Size small = size;
  small.B = 1;
  small.H = 2 * size.group;
  small.N = std::min(size.N, kTokens);
  Inputs drawn = draw_inputs(op, small, kGateSeed);
  drawn.causal = causal;
  return check(op, drawn, dtype);
}

GateResult check(const Operator& op, const Inputs& inputs, at::ScalarType dtype) {
  const Inputs drawn = inputs.copy(dtype, /*gradients=*/true);
  const auto exact = results(op.reference, drawn, at::kDouble, dtype);
  const auto formula = results(op.reference, drawn, at::kFloat, dtype);
  const auto given = results(op.apply, drawn, dtype, dtype);
  GateResult worst{op.name, 0, kAccepted};
  const double factor = drawn.causal ? kCausalFactor : kFactor;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double accepted =
        std::max(i < kTensors ? kAccepted : kAcceptedParams, accepted_of(dtype));
    const double limit = std::max(factor * error(formula[i], exact[i]), accepted);
    const double found = error(given[i], exact[i]);
    if (found / limit >= worst.max_error / worst.limit) worst = {op.name, found, limit};
  }
  return worst;
}

Operator through(const Operator& op, c10::Device device) {
  Operator there = op;
  there.apply = [apply = op.apply, device](const Inputs& in) {
    Inputs moved{in.q.to(device), in.k.to(device), in.v.to(device), {}, in.causal, {}, {}};
    for (const at::Tensor& param : in.params) moved.params.push_back(param.to(device));
    if (!in.state.defined()) return apply(moved).to(c10::kCPU);
    moved.state = in.state.to(device);
    moved.norm = in.norm.to(device);
    const at::Tensor out = apply(moved).to(c10::kCPU);
    in.state.copy_(moved.state);
    in.norm.copy_(moved.norm);
    return out;
  };
  return there;
}

std::string gate_failure(const GateResult& result, const Size& size, const char* consequence) {
  return fmt::format(
      "bench: {} is wrong at d {} (error {:.2g}, accepted {:.2g}); {}. Run `make test` to see "
      "where.",
      result.name, size.d, result.max_error, result.limit, consequence);
}

std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

}  // namespace luna::bench
