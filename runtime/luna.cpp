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
using Given = const at::Tensor&;
using LunaOp = at::Tensor(Given, Given, Given, Given, Given, Given, Given, Given, Given,
                          std::string, bool, std::string, double, std::string, bool, OptionalTensor,
                          std::string, double, double, OptionalTensor);
using FixedOp = at::Tensor(Given, Given, Given, std::string, at::TensorList, bool, OptionalTensor,
                           std::string, double, OptionalTensor);
using PrefilledOut = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using LunaPrefillOp = PrefilledOut(Given, Given, Given, Given, Given, Given, Given, Given, Given,
                                   std::string, bool, std::string, double, std::string,
                                   OptionalTensor, std::string, double, double, OptionalTensor);
using FixedPrefillOp = PrefilledOut(Given, Given, Given, std::string, at::TensorList,
                                    OptionalTensor, std::string, double, OptionalTensor);
using LunaStepOp = at::Tensor(Given, Given, Given, Given, Given, Given, Given, Given, Given, Given,
                              Given, std::string, bool, std::string, double, std::string,
                              std::string, double, double);
using FixedStepOp = at::Tensor(Given, Given, Given, Given, Given, std::string, at::TensorList,
                               OptionalTensor, std::string, double);

template <typename Signature>
auto operator_of(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

Prefilled named(PrefilledOut out) { return {std::get<0>(out), std::get<1>(out), std::get<2>(out)}; }

/// That a step was not given what only whole sequences have.
void check_step_options(const char* op, const AttentionOptions& options) {
  TORCH_CHECK_VALUE(!options.key_mask, op,
                    ": key_mask is refused: a step takes in every token it is given.");
  TORCH_CHECK_VALUE(!options.cu_seqlens, op,
                    ": cu_seqlens is refused: a step takes one token of each of B sequences.");
}

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
  static const auto op = operator_of<LunaOp>("luna::luna_attention");
  return op.call(q, k, v, params.proj_weight, params.proj_bias, params.w1, params.b1, params.w2,
                 params.b2, options.activation, options.nonneg, options.envelope,
                 options.ch_rms_target, options.psi, options.causal, options.key_mask,
                 options.denominator, options.eps, options.feature_eps, options.cu_seqlens);
}

at::Tensor fixed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::string& feature_map, at::TensorList params,
                           const AttentionOptions& options) {
  static const auto op = operator_of<FixedOp>("luna::fixed_attention");
  return op.call(q, k, v, feature_map, params, options.causal, options.key_mask,
                 options.denominator, options.eps, options.cu_seqlens);
}

Prefilled luna_prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const LunaParams& params, const LunaOptions& options) {
  static const auto op = operator_of<LunaPrefillOp>("luna::luna_prefill");
  return named(op.call(q, k, v, params.proj_weight, params.proj_bias, params.w1, params.b1,
                       params.w2, params.b2, options.activation, options.nonneg, options.envelope,
                       options.ch_rms_target, options.psi, options.key_mask, options.denominator,
                       options.eps, options.feature_eps, options.cu_seqlens));
}

Prefilled fixed_prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const std::string& feature_map, at::TensorList params,
                        const AttentionOptions& options) {
  static const auto op = operator_of<FixedPrefillOp>("luna::fixed_prefill");
  return named(op.call(q, k, v, feature_map, params, options.key_mask, options.denominator,
                       options.eps, options.cu_seqlens));
}

at::Tensor luna_decode_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& state, const at::Tensor& norm,
                            const LunaParams& params, const LunaOptions& options) {
  static const auto op = operator_of<LunaStepOp>("luna::luna_decode_step");
  check_step_options("luna_decode_step", options);
  return op.call(q, k, v, state, norm, params.proj_weight, params.proj_bias, params.w1, params.b1,
                 params.w2, params.b2, options.activation, options.nonneg, options.envelope,
                 options.ch_rms_target, options.psi, options.denominator, options.eps,
                 options.feature_eps);
}

at::Tensor fixed_decode_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& state, const at::Tensor& norm,
                             const std::string& feature_map, at::TensorList params,
                             const AttentionOptions& options,
                             const std::optional<at::Tensor>& positions) {
  static const auto op = operator_of<FixedStepOp>("luna::fixed_decode_step");
  check_step_options("fixed_decode_step", options);
  return op.call(q, k, v, state, norm, feature_map, params, positions, options.denominator,
                 options.eps);
}

at::Tensor performer_projection(int64_t m, int64_t d, std::optional<at::Generator> generator) {
  return ops::performer_projection(m, d, std::move(generator));
}

std::vector<at::Tensor> draw_feature_map(const std::string& feature_map, int64_t m, int64_t d,
                                         std::optional<at::Generator> generator) {
  return ops::draw_feature_map(feature_map, m, d, std::move(generator));
}

}  // namespace luna
