#include "tests/support/compare.h"

#include <map>

namespace luna::test {
namespace {

struct Worst {
  double ratio = -1.0;
  Error fused{}, eager{};
  std::string described;
};

std::map<std::string, Worst>& worst() {
  static std::map<std::string, Worst> table;
  return table;
}

double bound(double eager, double floor) { return std::max(kEagerFactor * eager, floor); }

class WorstCases : public ::testing::Environment {
 public:
  void TearDown() override {
    std::printf("%-13s %8s %10s %10s %10s %10s  %s\n", "tensor", "of bound", "rms", "eager rms",
                "max", "eager max", "worst case");
    for (const auto& [name, w] : worst()) {
      std::printf("%-13s %8.3f %10.2e %10.2e %10.2e %10.2e  %s\n", name.c_str(), w.ratio,
                  w.fused.rms, w.eager.rms, w.fused.max, w.eager.max, w.described.c_str());
    }
  }
};

}  // namespace

Error error(const at::Tensor& given, const at::Tensor& expected, const at::Tensor& scale) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (given.sizes() != expected.sizes()) return {kInfinity, kInfinity};
  if (given.numel() == 0) return {0.0, 0.0};
  const at::Tensor a = given.detach().to(at::kDouble).contiguous();
  const at::Tensor b = expected.detach().to(at::kDouble).contiguous();
  if (!a.isfinite().equal(b.isfinite())) return {kInfinity, kInfinity};
  const at::Tensor zero = at::zeros_like(a), finite = b.isfinite();
  const at::Tensor difference = at::where(finite, a - b, zero);
  const at::Tensor size = at::where(finite, b, zero);
  const at::Tensor other = scale.defined() ? scale.detach().nan_to_num(0.0, 0.0, 0.0) : size;
  const auto relative = [&](const auto& norm) {
    const double to = std::max(norm(size), norm(other));
    return to > 0 ? norm(difference) / to : norm(difference);
  };
  return {relative([](const at::Tensor& x) { return x.norm().item<double>(); }),
          relative([](const at::Tensor& x) { return x.abs().max().item<double>(); })};
}

Runs run_all(const ops::Inputs& in, const ops::Spec& spec, const at::Tensor& grad) {
  return {run(in, spec, grad, Through::fused), run(in, spec, grad, Through::reference),
          run(in, spec, grad, Through::reference, at::kDouble),
          run(in, spec, grad, Through::numerator, at::kDouble)};
}

void expect_within_bounds(const Runs& runs, const std::string& what) {
  for (size_t i = 0; i < runs.exact.names.size(); ++i) {
    const std::string& name = runs.exact.names[i];
    const Error f = error(runs.fused.tensors[i], runs.exact.tensors[i], runs.scale.tensors[i]);
    const Error e = error(runs.eager.tensors[i], runs.exact.tensors[i], runs.scale.tensors[i]);
    const double floor = i < 4 ? kFloorTensors : kFloorParams;
    const double rms = bound(e.rms, floor), max = bound(e.max, floor);
    EXPECT_LE(f.rms, rms) << name << ": rms error; eager " << e.rms << "; " << what;
    EXPECT_LE(f.max, max) << name << ": max error; eager " << e.max << "; " << what;
    const double ratio = std::max(f.rms / rms, f.max / max);
    Worst& w = worst()[name];
    if (ratio > w.ratio) w = {ratio, f, e, what};
  }
}

void expect_within_bounds(const Case& c) {
  expect_within_bounds(run_all(make_inputs(c), c.spec, make_grad(c)), describe(c));
}

bool print_worst_at_end() { return ::testing::AddGlobalTestEnvironment(new WorstCases); }

::testing::AssertionResult same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return ::testing::AssertionFailure() << "shapes differ";
  const at::Tensor x = a.detach().contiguous(), y = b.detach().contiguous();
  if (std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "bits differ, largest difference " << (x - y).abs().max().item<double>();
}

}  // namespace luna::test
