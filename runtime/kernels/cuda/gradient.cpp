// The gradient passes (pass.h).
#include <ATen/Context.h>
#include <fmt/format.h>

#include <algorithm>

#include "generators/attention/tensor/arguments.h"
#include "runtime/kernels/cuda/pass_calls.h"
#include "runtime/kernels/cuda/tensor_cores.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

/// x of the tokens that are not selected out, float32; the others may hold NaN.
at::Tensor kept_rows(const Tokens& tokens) {
  return tokens.x.to(at::kFloat).masked_fill((tokens.weight == 0).unsqueeze(-1), 0.0);
}

/// sum over tokens and heads of dt_n (x) x_n: [P, size], float64 from float32 products of a slot.
at::Tensor product_sum(const at::Tensor& dt, const at::Tensor& x) {
  at::Tensor sum = at::zeros({dt.size(3), x.size(3)}, dt.options().dtype(at::kDouble));
  for (int64_t n = 0; n < x.size(2); n += kSlotTokens) {
    const int64_t tokens = std::min(kSlotTokens, x.size(2) - n);
    const at::Tensor columns = dt.narrow(2, n, tokens).transpose(2, 3);
    sum += total(at::matmul(columns, x.narrow(2, n, tokens)), {0, 1});
  }
  return sum;
}

/// Gradients at x and at the projection from dt [B, H, N, P].
at::Tensor project_back(const Tokens& tokens, const at::Tensor& dt, bool params, MapGrads& grads) {
  const at::NoTF32Guard float32_products;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const DeviceMap& map = tokens.map;
  at::Tensor dx = at::matmul(dt, map.projection_rows());
  if (map.performer()) {
    dx = dx - 2.0 * map.half_scale() * kept_rows(tokens) * dt.sum(-1, true);
  }
  if (params) {
    map.unpack_projection(product_sum(dt, kept_rows(tokens)), total(dt, {0, 1, 2}), grads);
  }
  return dx;
}

/// The parameter sums of a psi map (or of the part `map` of one), summed over slots and heads.
at::Tensor site_sums(const Tokens& tokens, const DeviceMap& map, const Columns& columns,
                     const at::Tensor& state, const at::Tensor& coefficient) {
  std::vector<int64_t> sizes = shape(tokens.x, {slots(tokens.x)});
  for (const int64_t extent : map.psi_inputs().sums_shape()) sizes.push_back(extent);
  const at::Tensor sums = at::zeros(sizes, tokens.floats());
  if (!tokens.empty()) {  // in float32: these sums have no sibling on tensor cores
    const at::Tensor x = tokens.x.to(at::kFloat), v = columns.v.to(at::kFloat);
    KernelCall call(tokens.backend, map.pipeline("grad_sums"), x);
    add_columns(call, x, v, tokens, columns).add(columns_first(map, state));
    call.add(coefficient);
    call.add(static_cast<int32_t>(slot_tokens(tokens.x)));
    map.add_inputs(call, tokens.stabiliser);
    call.add(sums);
    call.run();
  }
  return total(sums, {0, 1, 2});
}

void psi_gradients(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                   const at::Tensor& coefficient, MapGrads& grads) {
  const DeviceMap& map = tokens.map;
  if (map.parts() == 1) {
    map.psi_inputs().unpack_sums(site_sums(tokens, map, columns, state, coefficient), grads);
    return;
  }
  for (int64_t k = 0; k < map.parts(); k++) {
    const DeviceMap part = map.part(k);
    part.psi_inputs().unpack_sums(site_sums(tokens, part, columns, map.part_features(k, state, 2),
                                            map.part_features(k, coefficient, 0)),
                                  grads);
  }
}

void halide_gradient(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                     const at::Tensor& coefficient, const at::Tensor& dt) {
  KernelCall call = call_of(tokens, "grad");
  add_tokens(call, tokens, columns).add(columns_first(tokens.map, state));
  call.add(coefficient);
  tokens.map.add_inputs(call, tokens.stabiliser);
  call.add(dt);
  call.run();
}

/// partial [B, H, blocks, n] -> [B, H, n]; n is a multiple of the projections of a group.
at::Tensor of_heads(const Tokens& tokens, const at::Tensor& partial) {
  constexpr int64_t kColumns = tensor::kProjections;
  if (tokens.empty()) return at::zeros(shape(tokens.x, {partial.size(3)}), tokens.floats());
  const int64_t rows = partial.size(3) / kColumns;
  const at::Tensor sum = at::empty(shape(tokens.x, {rows, kColumns}), tokens.floats());
  slot_total(tokens, partial.unflatten(3, {rows, kColumns}), kColumns, {rows, 1, 1}, sum);
  return sum.flatten(2);
}

/// One pass from dphi to dx, in the tokens' storage or float32, and to what every block of tokens
/// adds to the parameters' gradients.
at::Tensor tensor_core_gradient(const Tokens& tokens, const Columns& columns,
                                const at::Tensor& state, const at::Tensor& coefficient, bool params,
                                at::ScalarType type, MapGrads& grads) {
  const DeviceMap& map = tokens.map;
  const at::Tensor& x = tokens.x;
  const bool sums = params && tensor_core_sums_fit(map.args());
  if (params && !sums) {
    say_once([&] {
      return fmt::format(
          "sums over {} segments are beyond a block's registers: Halide's pipeline takes them",
          map.args().knots.numel() + 1);
    });
  }
  const int64_t P = map.projections(), size = map.size(), products = P * (size + 1);
  const int64_t rows = sums ? map.psi_inputs().sums_shape()[0] : 0;
  const int64_t blocks = (x.size(2) + tensor::kGradTokens - 1) / tensor::kGradTokens;
  const at::Tensor dx =
      type == x.scalar_type() ? at::empty_like(x) : at::empty(x.sizes(), tokens.floats());
  const auto sizes = shape(x, {blocks, products + rows * 2 * kPsiChannels});
  const at::Tensor partial =
      at::empty(params ? at::IntArrayRef(sizes) : at::IntArrayRef(1), tokens.floats());
  if (!tokens.empty()) {
    KernelCall call = call_of(tokens, sums ? "grad_params" : "grad");
    add_tokens(call, tokens, columns).add(state);
    map.add_inputs(call, tokens.stabiliser);
    call.add(dx);
    call.add(at::empty({P > tensor::kProjections ? x.numel() : 1}, tokens.floats()));
    call.add(partial);
    call.add(static_cast<int32_t>(params));
    call.run();
  }
  if (!params) return dx;
  const at::Tensor totals = total(of_heads(tokens, partial), {0, 1});
  const at::Tensor product = totals.narrow(0, 0, products).view({P, size + 1});
  map.unpack_projection(product.narrow(1, 0, size), product.select(1, size), grads);
  if (sums) {
    map.psi_inputs().unpack_sums(totals.narrow(0, products, totals.size(0) - products), grads);
  } else {
    psi_gradients(tokens, columns, state, coefficient, grads);
  }
  return dx;
}

/// The same of a map of one coordinate, without parameters.
at::Tensor elementwise_gradient(const Tokens& tokens, const Columns& columns,
                                const at::Tensor& state) {
  const at::Tensor dx = at::empty_like(tokens.x);
  if (tokens.empty()) return dx;
  KernelCall call = call_of(tokens, "grad");
  add_tokens(call, tokens, columns).add(state);
  call.add(dx);
  call.run();
  return dx;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> quotient_grad(const Tokens& tokens, const at::Tensor& o,
                                                const at::Tensor& grad, const at::Tensor& den,
                                                float add, float clamp) {
  if (!tokens.storage.tensor_cores) {
    const at::Tensor raw = den + add, inverse = tokens.weight / raw.clamp_min(clamp);
    const at::Tensor s = (o * grad.narrow(3, 0, o.size(3))).sum(-1) * inverse;
    return {inverse, s.neg().masked_fill((raw < clamp).logical_or(tokens.weight == 0), 0.0)};
  }
  const at::Tensor inverse = at::empty_like(den), minus_s = at::empty_like(den);
  if (!tokens.empty()) {
    KernelCall call(tokens.backend,
                    "quotient_grad_" + std::to_string(tokens.map.size()) + tokens.storage.suffix(),
                    tokens.x);
    call.add(tokens.weight);
    call.add(padded_rows(o, tokens.map.size()));
    call.add(grad);
    call.add(den);
    call.add(add);
    call.add(finite_floor(clamp));
    call.add(inverse);
    call.add(minus_s);
    call.run();
  }
  return {inverse, minus_s};
}

at::Tensor gradient(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                    const at::Tensor& coefficient, bool params, at::ScalarType type,
                    MapGrads& grads) {
  const DeviceMap& map = tokens.map;
  if (tokens.storage.tensor_cores) {
    return map.elementwise()
               ? elementwise_gradient(tokens, columns, state)
               : tensor_core_gradient(tokens, columns, state, coefficient, params, type, grads);
  }
  const at::Tensor dt =
      at::empty(shape(tokens.x, {tokens.x.size(2), map.projections()}), tokens.floats());
  if (!tokens.empty()) halide_gradient(tokens, columns, state, coefficient, dt);
  if (params && map.psi()) psi_gradients(tokens, columns, state, coefficient, grads);
  return map.elementwise() ? dt : project_back(tokens, dt, params, grads);
}

}  // namespace luna::kernels::cuda
