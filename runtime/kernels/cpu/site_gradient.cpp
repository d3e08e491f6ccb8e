// Compiled for AVX2 (wider vectors hold no more: a row has 8 channels).
#include "runtime/kernels/cpu/site_gradient.h"

#include "runtime/kernels/cpu/vectors_avx2.h"

namespace luna::kernels {
namespace {

using Bits = int32_t __attribute__((vector_size(kVector * sizeof(int32_t))));

/// A token's projections from `first` on, `count` <= 8 of them.
template <bool Sums, int Count>
inline void of_projections(const SiteGradient& a, int64_t n, int64_t first, int64_t count) {
  const float weight = a.weight[n];
  const float* dphi = a.dphi + n * a.dphi_row + first * kVector;
  Vector products[kVector] = {};
#pragma GCC unroll 8
  for (int64_t j = 0; j < (Count ? Count : count); j++) {
    const int64_t i = first + j, site = i * a.site_pitch + n;
    const int32_t segment = a.segment[site];
    const int64_t row = a.first_row[i] + (segment < a.last_segment ? segment : a.last_segment);
    const Vector slope = load(a.table + row * 2 * kVector),
                 intercept = load(a.table + row * 2 * kVector + kVector);
    const float t = a.t[site];
    const Bits floored = slope * t + intercept <= a.floor;
    const Vector dpsi = (Vector)(~floored & (Bits)(weight * load(dphi + j * kVector)));
    products[j] = slope * dpsi;
    if constexpr (Sums) {
      float *g0 = a.g0 + row * kVector, *g1 = a.g1 + row * kVector;
      store(g0, load(g0) + dpsi);
      store(g1, load(g1) + t * dpsi);
    }
  }
  const Vector dt = add_up(products);
  float* const to = a.dt + n * a.dt_row + first;
  if constexpr (Count == kVector) {
    store(to, dt);
  } else {
    for (int64_t j = 0; j < count; j++) to[j] = dt[j];
  }
}

template <bool Sums>
void of_tokens(const SiteGradient& a) {
  for (int64_t n = 0; n < a.tokens; n++) {
    if (a.weight[n] == 0.0f) {
      for (int64_t i = 0; i < a.projections; i++) a.dt[n * a.dt_row + i] = 0.0f;
      continue;
    }
    int64_t first = 0;
    for (; first + kVector <= a.projections; first += kVector) {
      of_projections<Sums, kVector>(a, n, first, kVector);
    }
    if (first < a.projections) of_projections<Sums, 0>(a, n, first, a.projections - first);
  }
}

}  // namespace

void site_gradient(const SiteGradient& args) {
  args.g0 ? of_tokens<true>(args) : of_tokens<false>(args);
}

}  // namespace luna::kernels
