#include "runtime/kernels/cuda/pass.h"

#include <ATen/Context.h>

#include "generators/attention/tensor/arguments.h"
#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/tensor_cores.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

constexpr int64_t kMostHeads = 65535;  ///< heads are the launch grid's y

/// Columns of a state: dv values, the normaliser, padding.
int64_t state_columns(const DeviceMap& map) {
  return tiles::state_columns(static_cast<int>(map.size()));
}

/// Tokens of a slot: no more than there are, so that a short sequence costs no more than its own.
int64_t slot_tokens(const at::Tensor& x) {
  return std::min(kSlotTokens, tiles::round_up(x.size(2), tiles::kSlotAlign));
}

int64_t slots(const at::Tensor& x) {
  return x.size(2) == 0 ? 0 : (x.size(2) + slot_tokens(x) - 1) / slot_tokens(x);
}

std::vector<int64_t> shape(const at::Tensor& x, std::initializer_list<int64_t> rest) {
  std::vector<int64_t> out{x.size(0), x.size(1)};
  out.insert(out.end(), rest);
  return out;
}

/// Sum in float64.
at::Tensor total(const at::Tensor& partial, at::IntArrayRef dims) {
  return at::sum(partial, at::OptionalIntArrayRef(dims), false, at::kDouble);
}

/// x and v as that pipeline takes them, and what every token carries.
KernelCall& add_columns(KernelCall& call, const at::Tensor& x, const at::Tensor& v,
                        const Tokens& tokens, const Columns& columns) {
  call.add(x);
  call.add(v);
  call.add(tokens.weight);
  call.add(columns.scale);
  call.add(columns.last);
  return call;
}

KernelCall& add_tokens(KernelCall& call, const Tokens& tokens, const Columns& columns) {
  return add_columns(call, tokens.x, columns.v, tokens, columns);
}

/// [B, H, padded D, columns] with the features innermost.
at::Tensor columns_first(const at::Tensor& state) { return state.transpose(2, 3).contiguous(); }

/// x of the tokens that are not selected out, float32; the others may hold NaN.
at::Tensor kept_rows(const Tokens& tokens) {
  return tokens.x.to(at::kFloat).masked_fill((tokens.weight == 0).unsqueeze(-1), 0.0);
}

/// A state as a pipeline reads it by rows of features: [B, H, padded D, state_columns].
at::Tensor wide_rows(const DeviceMap& map, const at::Tensor& state) {
  return at::constant_pad_nd(state, {0, state_columns(map) - state.size(3)});
}

/// The pass of a side's map: Halide's, or its sibling on tensor cores.
KernelCall call_of(const Tokens& tokens, const std::string& pass) {
  return KernelCall(tokens.backend,
                    tokens.map.pipeline(pass) + storage_suffix(tokens.x.scalar_type()), tokens.x);
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

}  // namespace

Tokens::Tokens(const Backend& backend, const DeviceMap& map, const at::Tensor& x,
               const at::Tensor& weight, at::ScalarType storage)
    : backend(backend),
      map(map),
      x(padded_rows(x, map.size(), storage)),
      weight(weight.defined() ? weight
                              : at::ones({}, floats()).expand({x.size(0), x.size(1), x.size(2)})) {
  TORCH_CHECK_VALUE(x.size(1) <= kMostHeads, "luna: CUDA takes at most ", kMostHeads,
                    " heads a call, got ", x.size(1), "; split the heads");
}

at::Tensor padded_rows(const at::Tensor& given, int64_t size, at::ScalarType storage) {
  const at::Tensor x = given.to(storage);
  bool aligned = x.size(3) == size && x.stride(3) == 1 &&
                 reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0;
  for (int64_t dim = 0; dim < 3; dim++) {
    aligned = aligned && x.stride(dim) * x.element_size() % 16 == 0;
  }
  return aligned ? x : at::constant_pad_nd(x, {0, size - x.size(3)}).contiguous();
}

at::Tensor pack_state(const DeviceMap& map, const at::Tensor& S, const at::Tensor& z) {
  const at::Tensor wide = at::constant_pad_nd(S, {0, map.size() - S.size(3)});
  return map.padded_features(at::cat({wide, z.unsqueeze(-1)}, 3), 2);
}

at::Tensor token_maximum(const Tokens& tokens) {
  at::Tensor largest = at::empty(shape(tokens.x, {tokens.x.size(2)}), tokens.x.options());
  if (tokens.empty()) {
    return largest;
  }
  KernelCall call(tokens.backend, tokens.map.pipeline("token_maximum"), tokens.x);
  call.add(tokens.x);
  call.add(tokens.weight);
  call.add(static_cast<int32_t>(tokens.map.true_projections()));
  tokens.map.add_inputs(call, at::zeros({}, tokens.x.options()).expand_as(tokens.weight));
  call.add(largest);
  call.run();
  return largest;
}

at::Tensor kv_state(const Tokens& tokens, const Columns& columns) {
  const int64_t size = tokens.map.size(), width = state_columns(tokens.map);
  const at::Tensor& x = tokens.x;
  const at::Tensor partial =
      at::empty(shape(x, {slots(x), tokens.map.features(), width}), tokens.floats());
  if (!tokens.empty()) {
    KernelCall call = call_of(tokens, "kv_state");
    add_tokens(call, tokens, columns).add(static_cast<int32_t>(slot_tokens(tokens.x)));
    tokens.map.add_inputs(call, tokens.stabiliser);
    call.add(partial);
    call.run();
  }
  const at::Tensor state = total(partial.narrow(4, 0, size + 1), {2});
  return tokens.map.true_features(state, 2);
}

std::pair<at::Tensor, at::Tensor> apply_state(const Tokens& tokens, const at::Tensor& state,
                                              float add, float clamp) {
  const at::Tensor& x = tokens.x;
  const int64_t size = tokens.map.size();
  const bool apart = tokens.on_tensor_cores();  // the denominator: a tensor of its own, or columns
  const at::Tensor out =
      apart ? empty_in_order_of(x, size)
            : at::empty(shape(x, {x.size(2), size + tiles::kDenColumns}), tokens.floats());
  const at::Tensor den = apart ? at::empty(shape(x, {x.size(2)}), tokens.floats()) : at::Tensor();
  if (!tokens.empty()) {
    KernelCall call = call_of(tokens, "apply_state");
    call.add(x);
    call.add(tokens.weight);
    call.add(wide_rows(tokens.map, state));
    call.add(add);
    call.add(finite_floor(clamp));
    tokens.map.add_inputs(call, tokens.stabiliser);
    call.add(out);
    if (apart) call.add(den);
    call.run();
  }
  return {out.narrow(3, 0, size), apart ? den : out.select(3, size).contiguous()};
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
    add_columns(call, x, v, tokens, columns).add(columns_first(state));
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

/// dt [B, H, N, P] and, where sums are defined, a block's sums over segments: one pass.
void tensor_core_gradient(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                          const at::Tensor& dt, const at::Tensor& sums) {
  KernelCall call = call_of(tokens, sums.defined() ? "grad_params" : "grad");
  add_tokens(call, tokens, columns).add(wide_rows(tokens.map, state));
  tokens.map.add_inputs(call, tokens.stabiliser);
  call.add(dt);
  if (sums.defined()) call.add(sums);
  call.run();
}

/// [B, H, blocks, rows of the table, 2 kPsiChannels], or nothing where such sums are not for tensor
/// cores.
at::Tensor tensor_core_sums(const Tokens& tokens) {
  const DeviceMap& map = tokens.map;
  if (!tokens.on_tensor_cores() || !tensor_core_sums_fit(map.args(), map.size())) return {};
  const int64_t blocks = (tokens.x.size(2) + tensor::kBlockTokens - 1) / tensor::kBlockTokens;
  const int64_t rows = map.psi_inputs().sums_shape()[0];
  return at::empty(shape(tokens.x, {blocks, rows, 2 * kPsiChannels}), tokens.floats());
}

void halide_gradient(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                     const at::Tensor& coefficient, const at::Tensor& dt) {
  KernelCall call = call_of(tokens, "grad");
  add_tokens(call, tokens, columns).add(columns_first(state));
  call.add(coefficient);
  tokens.map.add_inputs(call, tokens.stabiliser);
  call.add(dt);
  call.run();
}

at::Tensor gradient(const Tokens& tokens, const Columns& columns, const at::Tensor& state,
                    const at::Tensor& coefficient, bool params, MapGrads& grads) {
  const DeviceMap& map = tokens.map;
  const at::Tensor dt =
      at::empty(shape(tokens.x, {tokens.x.size(2), map.projections()}), tokens.floats());
  const at::Tensor sums = params ? tensor_core_sums(tokens) : at::Tensor();
  if (!tokens.empty()) {
    tokens.on_tensor_cores() ? tensor_core_gradient(tokens, columns, state, dt, sums)
                             : halide_gradient(tokens, columns, state, coefficient, dt);
  }
  if (sums.defined()) {
    map.psi_inputs().unpack_sums(total(sums, {0, 1, 2}), grads);
  } else if (params && map.psi()) {
    psi_gradients(tokens, columns, state, coefficient, grads);
  }
  return map.elementwise() ? dt : project_back(tokens, dt, params, grads);
}

at::Tensor square_sum(const Tokens& tokens) {
  const at::Tensor& x = tokens.x;
  const at::Tensor partial = at::empty(shape(x, {slots(x), tokens.map.features()}), x.options());
  if (!tokens.empty()) {
    KernelCall call(tokens.backend, tokens.map.pipeline("power_sum"), x);
    call.add(x);
    call.add(tokens.weight);
    call.add(static_cast<int32_t>(slot_tokens(tokens.x)));
    tokens.map.add_inputs(call, tokens.stabiliser);
    call.add(partial);
    call.run();
  }
  return tokens.map.true_features(total(partial, {0, 1, 2}), 0);
}

}  // namespace luna::kernels::cuda
