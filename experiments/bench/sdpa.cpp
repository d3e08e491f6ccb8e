#include "experiments/bench/sdpa.h"

#include <c10/util/Exception.h>
#include <c10/util/ScopeExit.h>

#include <cmath>
#include <limits>

namespace luna::bench {
namespace {

/// One kernel of SDPA and its switch. Where all four are off, torch refuses.
struct Kernel {
  const char *name, *label;
  OperatorKind kind;
  bool on_cpu;
  bool (at::Context::*used)() const;
  void (at::Context::*use)(bool);
};

constexpr Kernel kKernels[] = {
    {"sdpa_flash", "flash", OperatorKind::kFlash, true, &at::Context::userEnabledFlashSDP,
     &at::Context::setSDPUseFlash},
    {"sdpa_cudnn", "cuDNN", OperatorKind::kFlash, false, &at::Context::userEnabledCuDNNSDP,
     &at::Context::setSDPUseCuDNN},
    {"sdpa_efficient", "efficient", OperatorKind::kFlash, false,
     &at::Context::userEnabledMemEfficientSDP, &at::Context::setSDPUseMemEfficient},
    {"sdpa_math", "math", OperatorKind::kScores, true, &at::Context::userEnabledMathSDP,
     &at::Context::setSDPUseMath}};

at::Tensor softmax_by_formula(const Inputs& in) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(-1)));
  at::Tensor score = in.q.matmul(in.k.transpose(-1, -2)) * scale;
  if (in.causal) {
    const at::Tensor later = at::ones_like(score, at::kBool).triu(1);
    score = score.masked_fill(later, -std::numeric_limits<double>::infinity());
  }
  return score.softmax(-1).matmul(in.v);
}

at::Tensor sdpa(const Inputs& in) {
  return at::scaled_dot_product_attention(in.q, in.k, in.v, {}, 0.0, in.causal);
}

/// Torch explains at length, as warnings, why a kernel does not take its inputs.
struct Silence : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

at::Tensor sdpa_by(const Kernel& wanted, const Inputs& in) {
  at::Context& context = at::globalContext();
  std::vector<bool> before;
  for (const Kernel& kernel : kKernels) before.push_back((context.*kernel.used)());
  const auto restore = c10::make_scope_exit([&] {
    for (size_t i = 0; i < before.size(); ++i) (context.*kKernels[i].use)(before[i]);
  });
  for (const Kernel& kernel : kKernels) (context.*kernel.use)(&kernel == &wanted);
  Silence silence;
  const c10::WarningUtils::WarningHandlerGuard guard(&silence);
  return sdpa(in);
}

Operator softmax(const std::string& name, OperatorKind kind, const std::string& label,
                 std::function<at::Tensor(const Inputs&)> apply) {
  const auto no_params = [](const Size&, const at::Generator&) {
    return std::vector<at::Tensor>();
  };
  return {name, "softmax", kind, label, no_params, std::move(apply), softmax_by_formula};
}

}  // namespace

Operator sdpa_operator() {
  return softmax("sdpa", OperatorKind::kFlash, "softmax, torch SDPA", sdpa);
}

std::vector<Operator> sdpa_operators(c10::DeviceType device) {
  std::vector<Operator> operators;
  for (const Kernel& kernel : kKernels) {
    if (device == c10::kCPU && !kernel.on_cpu) continue;
    operators.push_back(softmax(kernel.name, kernel.kind,
                                std::string("softmax, torch SDPA ") + kernel.label,
                                [&kernel](const Inputs& in) { return sdpa_by(kernel, in); }));
  }
  return operators;
}

}  // namespace luna::bench
