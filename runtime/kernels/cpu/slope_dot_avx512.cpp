#include <immintrin.h>

#include <cstdint>

namespace luna::kernels {
namespace {

constexpr int64_t kVector = 16;

/// x[0] and zeros, as a load of one float gives them.
inline __m512 first_lane(const float* x) { return _mm512_zextps128_ps512(_mm_load_ss(x)); }

inline __m512 add_alternate(__m512 a, __m512 b) {
  return _mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b);
}

inline __m512 add_alternate_pairs(__m512 a, __m512 b) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_castpd_ps(_mm512_unpacklo_pd(x, y)) + _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
}

inline __m512 add_alternate_quads(__m512 a, __m512 b) {
  return _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xdd);
}

/// Lane k: what x[k] adds up to.
template <typename Vector>
inline Vector add_up(const Vector* x) {
  __m512 four[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    four[k] = add_alternate_pairs(add_alternate(x[4 * k], x[4 * k + 1]),
                                  add_alternate(x[4 * k + 2], x[4 * k + 3]));
  }
  return add_alternate_quads(add_alternate_quads(four[0], four[1]),
                             add_alternate_quads(four[2], four[3]));
}

}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/slope_dot_kernel.h"

namespace luna::kernels {

void slope_dot_avx512(const SlopeDot& args) { choose_dot(args); }

}  // namespace luna::kernels
