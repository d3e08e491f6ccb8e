#include "runtime/kernels/cpu/causal.h"
#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/segments.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cpu {

Forward forward(const Problem& p) {
  const int64_t B = p.q.size(0), H = p.q.size(1), Nq = p.q.size(2), d = p.q.size(3);
  const int64_t Hk = p.k.size(1), dv = p.v.size(3);
  const int64_t D = feature_count(p.k_map, d);
  Forward result;
  result.S = at::empty({B, Hk, D, dv}, at::kFloat);
  result.z = at::empty({B, Hk, D}, at::kFloat);
  result.o = empty_in_order_of(p.q, dv, p.o_type);
  result.den = at::empty({B, H, Nq}, at::kFloat);
  PackedSides sides(p);
  if (p.causal) {
    causal_forward(p, sides.q(), sides.k(), result);
    return result;
  }
  const SegmentSides segments(p);
  if (segments.k) {
    segment_state(p, *segments.k, result);
  } else if (finds_stabiliser(p)) {
    stabilised_state(p, result.S, result.z, result.M);
  } else {
    feature_state(p, sides.k(), result.S, result.z);
  }
  if (segments.q) {
    segment_apply(p, *segments.q, result);
  } else {
    feature_apply(p, sides.q(), result);
  }
  return result;
}

}  // namespace luna::kernels::cpu
