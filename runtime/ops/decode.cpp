#include "runtime/ops/decode.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "runtime/ops/call.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/layout.h"

namespace luna::ops {
namespace {

at::Tensor call_decode(const StepInputs& in, const Spec& spec) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("luna::_decode_step", "").typed<DecodeOp>();
  const Inputs& x = in.token;
  return op.call(x.q, x.k, x.v, in.state, in.norm, x.params, x.positions, spec.feature_map,
                 spec.activation, spec.nonneg, spec.envelope, spec.psi, spec.denominator, spec.eps,
                 spec.feature_eps);
}

}  // namespace

at::Tensor decode_kernel(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const at::Tensor& state, const at::Tensor& norm, at::TensorList params,
                         const std::optional<at::Tensor>& positions, std::string feature_map,
                         std::string activation, bool nonneg, std::string envelope, std::string psi,
                         std::string denominator, double eps, double feature_eps) {
  const Spec spec{feature_map, activation,  nonneg, envelope,    0.0,
                  psi,         denominator, eps,    feature_eps, /*causal=*/true};
  Inputs in{q.unsqueeze(2), k.unsqueeze(2), v.unsqueeze(2), params.vec(), {}};
  in.positions = positions;
  const char* const name = spec.learned() ? "luna_decode_step" : "fixed_decode_step";
  check_step_values(name, {in, state, norm}, spec);
  at::Tensor out = at::empty({q.size(0), q.size(1), v.size(2)}, q.options());
  const std::shared_ptr<const PreparedMap> map = kept_map(name, in.params, spec);
  const auto step = [&](const Inputs& part, bool exchanged, const at::Tensor& columns,
                        const at::Tensor& sum, const at::Tensor& result) {
    kernels::decode_step(Call(part, spec, *map, exchanged).problem, columns, sum,
                         result.unsqueeze(2));
  };
  if (!by_polarity(spec)) {
    step(in, false, state, norm, out);
    return out;
  }
  at::Tensor sums[] = {norm, norm.clone()};  // each half adds phi(k) to one of its own
  for (const int64_t half : {0, 1}) {
    step(half_of(in, half), half == 1, state.chunk(2, -1)[half], sums[half],
         out.chunk(2, -1)[half]);
  }
  return out;
}

at::Tensor decode_shapes(const at::Tensor& q, const at::Tensor&, const at::Tensor& v,
                         const at::Tensor&, const at::Tensor&, at::TensorList,
                         const std::optional<at::Tensor>&, std::string, std::string, bool,
                         std::string, std::string, std::string, double, double) {
  return at::empty_symint({q.sym_size(0), q.sym_size(1), v.sym_size(2)}, q.options());
}

at::Tensor decode_autograd(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const at::Tensor& state, const at::Tensor& norm, at::TensorList params,
                           const std::optional<at::Tensor>& positions, std::string feature_map,
                           std::string activation, bool nonneg, std::string envelope,
                           std::string psi, std::string denominator, double eps,
                           double feature_eps) {
  const Spec spec{feature_map, activation,  nonneg, envelope,    0.0,
                  psi,         denominator, eps,    feature_eps, /*causal=*/true};
  Inputs in{q, k, v, params.vec(), {}};
  in.positions = positions;
  for (const at::Tensor& changed : {state, norm}) changed.unsafeGetTensorImpl()->bump_version();
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  return call_decode({in, state, norm}, spec);
}

at::Tensor decode_step(const char* op, StepInputs in, const Spec& spec) {
  check_step(op, in, spec);
  Inputs& x = in.token;
  x.q = unit_last_stride(x.q);
  x.k = unit_last_stride(x.k);
  x.v = unit_last_stride(x.v);
  return call_decode(in, spec);
}

}  // namespace luna::ops
