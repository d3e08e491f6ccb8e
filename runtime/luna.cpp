// The public C++ interface: each function calls the operator of the same name through torch's
// dispatcher.
#include "runtime/luna.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <cpuid.h>

#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/performer.h"

namespace luna {
namespace {

using OptionalTensor = const std::optional<at::Tensor>&;
using LunaOp = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const at::Tensor&, const at::Tensor&, const at::Tensor&, std::string,
                          bool, std::string, double, std::string, bool, OptionalTensor, std::string,
                          double, double);
using FixedOp = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, std::string,
                           at::TensorList, bool, OptionalTensor, std::string, double);

/// The Halide kernels carry AVX-512 and AVX2 variants and nothing below; said when the library is
/// loaded.
struct ProcessorCheck {
  ProcessorCheck() {
    std::string missing;
    const auto need = [&](bool present, const char* name) {
      if (!present) missing += std::string(missing.empty() ? "" : ", ") + name;
    };
    __builtin_cpu_init();
    need(__builtin_cpu_supports("avx2"), "AVX2");
    need(__builtin_cpu_supports("fma"), "FMA");
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid(1, &a, &b, &c, &d);
    need(c & bit_F16C, "F16C");
    if (missing.empty()) return;
    TORCH_WARN("libluna: this processor lacks ", missing,
               "; the CPU kernels need AVX2, FMA and F16C (AVX-512 is used where present) and will "
               "refuse to run.");
  }
};
const ProcessorCheck kProcessorCheck;

}  // namespace

at::Tensor luna_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const LunaParams& params, const LunaOptions& options) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("luna::luna_attention", "").typed<LunaOp>();
  return op.call(q, k, v, params.proj_weight, params.proj_bias, params.w1, params.b1, params.w2,
                 params.b2, options.activation, options.nonneg, options.envelope,
                 options.ch_rms_target, options.psi, options.causal, options.key_mask,
                 options.denominator, options.eps, options.feature_eps);
}

at::Tensor fixed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::string& feature_map, at::TensorList params,
                           const AttentionOptions& options) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("luna::fixed_attention", "").typed<FixedOp>();
  return op.call(q, k, v, feature_map, params, options.causal, options.key_mask,
                 options.denominator, options.eps);
}

at::Tensor performer_projection(int64_t m, int64_t d, std::optional<at::Generator> generator) {
  return ops::performer_projection(m, d, std::move(generator));
}

std::vector<at::Tensor> draw_feature_map(const std::string& feature_map, int64_t m, int64_t d,
                                         std::optional<at::Generator> generator) {
  return ops::draw_feature_map(feature_map, m, d, std::move(generator));
}

}  // namespace luna
