#include "runtime/kernels/cpu/causal.h"
#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/segments.h"
#include "runtime/kernels/token_weights.h"

namespace luna::kernels::cpu {
namespace {

/// Whether keys take the segment form, in which phi . dphi of every key comes from the values'
/// gradient, too long a sum for half precision.
bool sums_in_segments(const Problem& p) { return !p.causal && SegmentSides(p).k; }

/// The backward of half precision through tensors of float32.
Backward widened(const Problem& p, const Forward& saved, const at::Tensor& grad,
                 const Wanted& wanted) {
  Backward result = cpu::backward(in_float32(p), saved, grad.to(at::kFloat), wanted);
  const auto narrow = [](at::Tensor& x, const at::Tensor& like) {
    if (x.defined()) x = x.to(like.scalar_type());
  };
  narrow(result.q, p.q);
  narrow(result.k, p.k);
  narrow(result.v, p.v);
  return result;
}

/// Through totals: queries leave the state's gradient, keys read it.
void backward_of_all(const Problem& p, const Forward& saved, const at::Tensor& grad, bool keys,
                     bool params, const at::Tensor& power, Backward& result) {
  PackedSides sides(p);
  const SegmentSides segments(p);
  const at::Tensor center = segments.any() ? center_of(saved) : at::Tensor();
  StateGradient state_gradient{at::empty_like(saved.S), at::empty_like(saved.z), {}};
  if (segments.q) {
    state_gradient.center = center;
    segment_query_gradients(p, *segments.q, saved, grad, params, result, state_gradient);
  } else {
    feature_query_gradients(p, sides.q(), saved, grad, params, result, state_gradient);
  }
  if (!keys) return;
  state_gradient.count_from(segments.k ? center : at::Tensor());
  if (segments.k) {
    segment_key_gradients(p, *segments.k, saved, state_gradient, params, power, result);
  } else {
    feature_key_gradients(p, sides.k(), state_gradient, params, power, result);
  }
}

}  // namespace

Backward backward(const Problem& p, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted) {
  const bool half = p.v.scalar_type() != at::kFloat;
  if (half && wanted.k_weight && sums_in_segments(p)) return widened(p, saved, grad, wanted);
  const bool keys = wanted.k || wanted.v || wanted.k_weight || wanted.params;
  Backward result;
  if (wanted.q) result.q = at::empty_like(p.q);
  if (wanted.k) result.k = at::empty_like(p.k);
  if (wanted.v) result.v = at::empty_like(p.v);
  at::Tensor power;  // phi . dphi of every key
  if (wanted.k_weight) {
    power = at::empty({p.k.size(0), p.k.size(1), p.k.size(2)}, at::kFloat);
  }
  if (p.causal) {
    PackedSides sides(p);
    causal_backward(p, sides.q(), sides.k(), saved, grad, wanted.params, power, result);
  } else {
    backward_of_all(p, saved, grad, keys, wanted.params, power, result);
  }
  if (wanted.q_weight) result.q_weight = query_weight_gradient(p, saved, grad);
  if (wanted.k_weight) result.k_weight = key_weight_gradient(p, power);
  return result;
}

}  // namespace luna::kernels::cpu
