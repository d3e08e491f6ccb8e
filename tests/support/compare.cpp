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

}  // namespace

Error error(const at::Tensor& given, const at::Tensor& expected) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (given.sizes() != expected.sizes()) return {kInfinity, kInfinity};
  if (given.numel() == 0) return {0.0, 0.0};
  const at::Tensor a = given.detach().to(at::kDouble).contiguous();
  const at::Tensor b = expected.detach().to(at::kDouble).contiguous();
  if (!a.isfinite().equal(b.isfinite())) return {kInfinity, kInfinity};
  const at::Tensor zero = at::zeros_like(a), finite = b.isfinite();
  const at::Tensor difference = at::where(finite, a - b, zero), scale = at::where(finite, b, zero);
  const auto relative = [](double value, double to) { return to > 0 ? value / to : value; };
  return {relative(difference.norm().item<double>(), scale.norm().item<double>()),
          relative(difference.abs().max().item<double>(), scale.abs().max().item<double>())};
}

void expect_within_bounds(const Result& fused, const Result& eager, const Result& exact,
                          const std::string& what) {
  for (size_t i = 0; i < exact.names.size(); ++i) {
    const Error f = error(fused.tensors[i], exact.tensors[i]);
    const Error e = error(eager.tensors[i], exact.tensors[i]);
    const double floor = i < 4 ? kFloorTensors : kFloorParams;
    const double rms = bound(e.rms, floor), max = bound(e.max, floor);
    EXPECT_LE(f.rms, rms) << exact.names[i] << ": rms error; eager " << e.rms << "; " << what;
    EXPECT_LE(f.max, max) << exact.names[i] << ": max error; eager " << e.max << "; " << what;
    const double ratio = std::max(f.rms / rms, f.max / max);
    Worst& w = worst()[exact.names[i]];
    if (ratio > w.ratio) w = {ratio, f, e, what};
  }
}

void expect_within_bounds(const Case& c) {
  const ops::Inputs in = make_inputs(c);
  const at::Tensor grad = make_grad(c);
  expect_within_bounds(run(in, c.spec, grad, Through::fused),
                       run(in, c.spec, grad, Through::reference),
                       run(in, c.spec, grad, Through::reference, at::kDouble), describe(c));
}

void print_worst() {
  std::printf("%-13s %8s %10s %10s %10s %10s  %s\n", "tensor", "of bound", "rms", "eager rms",
              "max", "eager max", "worst case");
  for (const auto& [name, w] : worst()) {
    std::printf("%-13s %8.3f %10.2e %10.2e %10.2e %10.2e  %s\n", name.c_str(), w.ratio, w.fused.rms,
                w.eager.rms, w.fused.max, w.eager.max, w.described.c_str());
  }
}

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
