#include <immintrin.h>

#include "runtime/kernels/cpu/locate.h"

namespace luna::kernels {
namespace {

constexpr int64_t kLanes = 16;
constexpr int kVectors = 1, kTogether = 4;  // 16 of 32 registers hold sums
using Float = __m512;

inline Float load(const float* from) { return _mm512_load_ps(from); }

/// table[index] of Entries floats.
template <int Entries>
inline __m512 look_up(const float* table, __m512i index) {
  if constexpr (Entries <= kLanes) {
    return _mm512_permutexvar_ps(index, _mm512_load_ps(table));
  } else if constexpr (Entries == 2 * kLanes) {
    return _mm512_permutex2var_ps(_mm512_load_ps(table), index, _mm512_load_ps(table + kLanes));
  } else {
    constexpr int half = Entries / 2;
    const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(half));
    return _mm512_mask_blend_ps(upper, look_up<half>(table, index),
                                look_up<half>(table + half, index));
  }
}

/// Where t lies, as far as the levels above tell.
struct Search {
  __m512i index = _mm512_setzero_si512();  ///< knots passed; a NaN passes none

  explicit Search(const LocateArgs&) {}
  void compare(Float knot, Float t) {
    const __mmask16 passed = _mm512_cmp_ps_mask(knot, t, _CMP_LE_OQ);
    index = _mm512_add_epi32(index, index);
    index = _mm512_mask_add_epi32(index, passed, index, _mm512_set1_epi32(1));
  }
  /// The gap's own knot, where it has one; index counts these too from here on.
  void compare_tail(const float* tail, Float t) {
    const __m512i first_above = _mm512_set1_epi32(kTailKnots);
    const __mmask16 gaps = _mm512_cmplt_epi32_mask(index, first_above);
    const Float knot = look_up<kTailKnots>(tail, index);
    const __mmask16 passed = _mm512_mask_cmp_ps_mask(gaps, knot, t, _CMP_LE_OQ);
    index = _mm512_add_epi32(index, _mm512_min_epi32(index, first_above));
    index = _mm512_mask_add_epi32(index, passed, index, _mm512_set1_epi32(1));
  }
  template <int Levels>
  Float base(const LocateArgs& a) const {
    if (!a.base) return Float{};
    return look_up<(1 << Levels)>(a.base, index);
  }
};

inline Float interleave(Float a, Float b, bool high) {
  return high ? _mm512_unpackhi_ps(a, b) : _mm512_unpacklo_ps(a, b);
}

inline Float interleave_pairs(Float a, Float b, bool high) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(x, y) : _mm512_unpacklo_pd(x, y));
}

inline void store_parts(const Float* four, float* out, int64_t pitch) {
  for (int c = 0; c < 4; c++) {
    const __m512 even = _mm512_shuffle_f32x4(four[c], four[4 + c], 0x88);
    const __m512 odd = _mm512_shuffle_f32x4(four[c], four[4 + c], 0xdd);
    const __m512 even2 = _mm512_shuffle_f32x4(four[8 + c], four[12 + c], 0x88);
    const __m512 odd2 = _mm512_shuffle_f32x4(four[8 + c], four[12 + c], 0xdd);
    _mm512_store_ps(out + c * pitch, _mm512_shuffle_f32x4(even, even2, 0x88));
    _mm512_store_ps(out + (4 + c) * pitch, _mm512_shuffle_f32x4(odd, odd2, 0x88));
    _mm512_store_ps(out + (8 + c) * pitch, _mm512_shuffle_f32x4(even, even2, 0xdd));
    _mm512_store_ps(out + (12 + c) * pitch, _mm512_shuffle_f32x4(odd, odd2, 0xdd));
  }
}

}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/locate_kernel.h"

namespace luna::kernels {

void locate_avx512(const LocateArgs& args) { locate_all(args); }

}  // namespace luna::kernels
