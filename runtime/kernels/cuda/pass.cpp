#include "runtime/kernels/cuda/pass.h"

#include <limits>

#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/pass_calls.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

constexpr int64_t kMostHeads = 65535;  ///< heads are the launch grid's y

}  // namespace

Tokens::Tokens(const Backend& backend, const DeviceMap& map, const at::Tensor& x,
               const at::Tensor& weight, Storage storage)
    : backend(backend),
      map(map),
      storage(storage),
      x(padded_rows(x, map.size(), storage.dtype)),
      weight(weight.defined() ? weight
                              : at::ones({}, floats()).expand({x.size(0), x.size(1), x.size(2)})) {
  TORCH_CHECK_VALUE(x.size(1) <= kMostHeads, "luna: CUDA takes at most ", kMostHeads,
                    " heads a call, got ", x.size(1), "; split the heads");
}

at::Tensor padded_rows(const at::Tensor& given, int64_t size, at::ScalarType dtype) {
  const at::Tensor x = given.to(dtype);
  // Kernels take 32 bits for the bytes from one token to the next.
  bool aligned = x.size(3) == size && x.stride(3) == 1 &&
                 x.stride(2) * x.element_size() <= std::numeric_limits<int32_t>::max() &&
                 reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0;
  for (int64_t dim = 0; dim < 3; dim++) {
    aligned = aligned && x.stride(dim) * x.element_size() % 16 == 0;
  }
  return aligned ? x : at::constant_pad_nd(x, {0, size - x.size(3)}).contiguous();
}

at::Tensor pack_state(const DeviceMap& map, const at::Tensor& S, const at::Tensor& z) {
  const int64_t size = map.size();
  const auto zeros = [zero = at::zeros({1, 1, 1, 1}, S.options()), &S](int64_t columns) {
    return zero.expand({S.size(0), S.size(1), S.size(2), columns});
  };
  const at::Tensor packed = at::cat(
      {S, zeros(size - S.size(3)), z.unsqueeze(-1), zeros(state_columns(map) - size - 1)}, 3);
  return map.padded_features(packed, 2);
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

at::Tensor kv_state(const Tokens& tokens, const Columns& columns, int64_t group) {
  const DeviceMap& map = tokens.map;
  const at::Tensor& x = tokens.x;
  const std::vector<int64_t> packed = {x.size(0), x.size(1) / group, map.features(),
                                       state_columns(map)};
  if (tokens.empty()) return at::zeros(packed, tokens.floats());
  const at::Tensor partial =
      at::empty(shape(x, {slots(x), map.features(), state_columns(map)}), tokens.floats());
  KernelCall call = call_of(tokens, "kv_state");
  add_tokens(call, tokens, columns).add(static_cast<int32_t>(slot_tokens(x)));
  map.add_inputs(call, tokens.stabiliser);
  call.add(partial);
  call.run();
  return slot_total(tokens, partial, map.size() + 1, map.feature_layout(),
                    at::empty(packed, tokens.floats()));
}

std::pair<at::Tensor, at::Tensor> apply_state(const Tokens& tokens, const at::Tensor& state,
                                              float add, float clamp, at::ScalarType type) {
  const at::Tensor& x = tokens.x;
  const int64_t size = tokens.map.size();
  // The denominator: a tensor of its own, or columns.
  const bool apart = tokens.storage.tensor_cores;
  const at::Tensor out =
      apart ? empty_in_order_of(x, size, type)
            : at::empty(shape(x, {x.size(2), size + tiles::kDenColumns}), tokens.floats());
  const at::Tensor den = apart ? at::empty(shape(x, {x.size(2)}), tokens.floats()) : at::Tensor();
  if (!tokens.empty()) {
    KernelCall call = call_of(tokens, "apply_state");
    call.add(x);
    call.add(tokens.weight);
    call.add(state);
    call.add(add);
    call.add(finite_floor(clamp));
    tokens.map.add_inputs(call, tokens.stabiliser);
    call.add(out);
    if (apart) call.add(den);
    call.run();
  }
  return {out.narrow(3, 0, size), apart ? den : out.select(3, size).contiguous()};
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
