#include "runtime/kernels/cuda/passes.h"

#include <algorithm>
#include <limits>

#include "runtime/kernels/cuda/pass_calls.h"
#include "runtime/kernels/cuda/row_passes.h"
#include "runtime/kernels/cuda/tensor_cores.h"
#include "runtime/kernels/layout.h"
#include "runtime/kernels/token_weights.h"

namespace luna::kernels::cuda {
namespace {

/// The stabiliser where there is one; 0 for a token or head without any.
at::Tensor finite(const at::Tensor& stabiliser) {
  return stabiliser.masked_fill(stabiliser <= kLowest, 0.0);
}

/// Whether passes with the map inlined are built for such heads and parameters, of some map.
bool may_be_inlined(const MapArgs& map, int64_t d, int64_t dv) {
  return std::max(d, dv) <= kLargestSize && !map.per_head();
}

/// Whether Halide's passes inline a map, for heads of these sizes. M is their keys' largest t,
/// where they have one.
bool is_inlined(const Backend& backend, const MapArgs& map, int64_t d, int64_t dv,
                const About& call) {
  return may_be_inlined(map, d, dv) &&
         (map.stabilised_by == Stabiliser::absent || map.stabilised_by == Stabiliser::projection) &&
         missing_pass(backend, map.map, built_size(map.map, d, dv), {}, call).empty();
}

/// How passes with the map inlined read a problem; nothing where none take it.
std::optional<Storage> inlined_storage(const Backend& backend, const Problem& p) {
  const int64_t d = p.q.size(3), dv = p.v.size(3);
  if (p.causal || !may_be_inlined(p.k_map, d, dv)) return {};
  return storage_of(backend, p, is_inlined(backend, p.k_map, d, dv, p.q));
}

/// Both sides of a problem, padded and packed. Stays where it is: q and k refer to the maps.
struct Sides {
  Sides(const Backend& backend, const Problem& p, Storage storage)
      : size(built_size(p.k_map.map, p.q.size(3), p.v.size(3))),
        storage(storage),
        q_map(p.q_map, p.q.size(3), size),
        k_map(is_same(p.q_map, p.k_map) ? q_map : own_k_map.emplace(p.k_map, p.q.size(3), size)),
        q(backend, q_map, p.q, p.q_weight, storage),
        k(backend, k_map, p.k, p.k_weight, storage),
        v(padded_rows(p.v, k_map.size(), storage.dtype)) {
    if (!q_map.performer()) return;
    q.stabiliser = finite(token_maximum(q));
    k.stabiliser = finite(p.k_map.stabiliser).unsqueeze(-1).expand_as(k.weight);
  }
  Sides(const Sides&) = delete;
  Sides& operator=(const Sides&) = delete;

  int64_t size;
  Storage storage;
  DeviceMap q_map;
  std::optional<DeviceMap> own_k_map;  ///< where it is not q's
  const DeviceMap& k_map;
  Tokens q, k;
  at::Tensor v;
};

/// Undefined where no pass reads it.
at::Tensor no_coefficient(const DeviceMap& map, const Tokens& like) {
  if (like.storage.tensor_cores && (map.elementwise() || tensor_core_sums_fit(map.args())))
    return {};
  return at::zeros({map.features()}, like.floats());
}

/// padded's columns laid out as x, of that type: padded itself where it lies so.
at::Tensor like(const at::Tensor& x, const at::Tensor& padded, at::ScalarType type) {
  const auto shape_alone = x.options().device(at::kMeta);
  const bool same = padded.scalar_type() == type && padded.sizes() == x.sizes() &&
                    padded.strides() == at::empty_like(x, shape_alone).strides();
  if (same) return padded;
  return at::empty_like(x, x.options().dtype(type)).copy_(padded.narrow(3, 0, x.size(3)));
}

/// o of the columns that v has: `out` itself where it lies so.
at::Tensor output_of(const Problem& p, const at::Tensor& out) {
  const int64_t dv = p.v.size(3);
  const bool lies = out.size(3) == dv && out.is_non_overlapping_and_dense();
  if (lies && out.dtype() == p.o_type) return out;
  return empty_in_order_of(p.q, dv, p.o_type).copy_(out.narrow(3, 0, dv));
}

}  // namespace

Forward forward(const Backend& backend, const Problem& p) {
  const std::optional<Storage> storage = inlined_storage(backend, p);
  if (!storage) return row_forward(backend, p);
  const Sides sides(backend, p, *storage);
  const at::Tensor& w = sides.k.weight;
  const at::Tensor state = kv_state(sides.k, {sides.v, w, w}, 1);
  const at::Tensor rows = sides.k_map.true_features(state, 2);
  Forward result;
  result.S = rows.narrow(3, 0, p.v.size(3)).contiguous();
  result.z = rows.select(3, sides.k_map.size()).contiguous();
  const at::ScalarType type = p.o_type == sides.storage.dtype ? p.o_type : at::kFloat;
  const auto [out, den] = apply_state(sides.q, state, p.denominator.add, p.denominator.clamp, type);
  result.o = output_of(p, out);
  result.den = den;
  return result;
}

Backward backward(const Backend& backend, const Problem& p, const Forward& saved,
                  const at::Tensor& grad, const Wanted& wanted) {
  const std::optional<Storage> storage = inlined_storage(backend, p);
  if (!storage) return row_backward(backend, p, saved, grad, wanted);
  const Sides sides(backend, p, *storage);
  Backward result;
  if (wanted.q_weight) {
    result.q_weight = query_weight_gradient(p, saved, grad);
  }
  const bool of_keys = wanted.k || wanted.v || wanted.k_weight || wanted.params;
  if (!(wanted.q || of_keys)) {
    return result;
  }
  const at::Tensor rows = padded_rows(grad, sides.k_map.size(), sides.storage.dtype);
  const auto [inverse, minus_s] =
      quotient_grad(sides.q, saved.o, rows, saved.den, p.denominator.add, p.denominator.clamp);
  const Columns q_columns{rows, inverse, minus_s};
  if (wanted.q || wanted.params) {
    const at::Tensor dq = gradient(sides.q, q_columns, pack_state(sides.q_map, saved.S, saved.z),
                                   no_coefficient(sides.q_map, sides.q), wanted.params,
                                   wanted.type(sides.q.x), result.q_map);
    result.q = wanted.q ? like(p.q, dq, wanted.type(p.q)) : at::Tensor();
  }
  if (!of_keys) {
    return result;
  }
  // R and -u of a key head: summed over the query heads of its group.
  const at::Tensor state = kv_state(sides.q, q_columns, p.q.size(1) / p.k.size(1));
  if (wanted.k || wanted.params) {
    const at::Tensor& w = sides.k.weight;
    const at::Tensor dk =
        gradient(sides.k, {sides.v, w, w}, state, no_coefficient(sides.k_map, sides.k),
                 wanted.params, wanted.type(sides.k.x), result.k_map);
    result.k = wanted.k ? like(p.k, dk, wanted.type(p.k)) : at::Tensor();
  }
  if (wanted.v || wanted.k_weight) {  // denominator 1: w phi R and -w phi u
    // The weights' gradient is a difference: of numbers that are not rounded.
    const at::ScalarType type = wanted.k_weight ? at::kFloat : sides.storage.dtype;
    const auto [product, rest] = apply_state(sides.k, state, kLowest, 1.0f, type);
    result.v = wanted.v ? like(p.v, product, p.v.scalar_type()) : at::Tensor();
    if (wanted.k_weight) {
      result.k_weight = key_weight_gradient(p, (sides.v.to(at::kFloat) * product).sum(-1) + rest);
    }
  }
  return result;
}

at::Tensor power_sum(const Backend& backend, const at::Tensor& x, const MapArgs& args) {
  if (!is_inlined(backend, args, x.size(3), 1, x)) return row_power_sum(backend, x, args);
  const DeviceMap map(args, x.size(3), kLargestSize);  // this pass is built for no other
  const Tokens tokens(backend, map, x, {});
  return square_sum(tokens).view({-1, args.L}).sum(0);
}

std::pair<at::Tensor, MapGrads> power_grad(const Backend& backend, const at::Tensor& x,
                                           const MapArgs& args, const at::Tensor& coefficient) {
  if (!is_inlined(backend, args, x.size(3), 1, x)) {
    return row_power_grad(backend, x, args, coefficient);
  }
  const DeviceMap map(args, x.size(3), built_size(args.map, x.size(3), 1));
  const Tokens tokens(backend, map, x, {});
  const auto options = tokens.x.options();
  const at::Tensor none = at::zeros({}, options).expand_as(tokens.weight);
  const at::Tensor state =
      at::zeros({x.size(0), x.size(1), map.features(), state_columns(map)}, options);
  const at::Tensor features = coefficient.to(at::kFloat).repeat({map.true_projections()});
  MapGrads grads;
  const at::Tensor dx = gradient(tokens, {tokens.x, none, none}, state,
                                 map.padded_features(features, 0), true, at::kFloat, grads);
  return {like(x, dx, at::kFloat), grads};
}

at::Tensor key_maximum(const Backend& backend, const at::Tensor& x, const MapArgs& args,
                       const at::Tensor& weight) {
  if (!is_inlined(backend, args, x.size(3), 1, x)) {
    return row_key_maximum(backend, x, args, weight);
  }
  const DeviceMap map(args, x.size(3), built_size(args.map, x.size(3), 1));
  const at::Tensor largest = token_maximum(Tokens(backend, map, x, weight)).amax(2);
  return largest.masked_fill(largest <= kLowest, -std::numeric_limits<double>::infinity());
}

}  // namespace luna::kernels::cuda
