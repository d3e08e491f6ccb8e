#include <immintrin.h>

#include "runtime/kernels/cpu/locate.h"

namespace luna::kernels {
namespace {

constexpr int64_t kLanes = 8;
constexpr int kVectors = 2, kTogether = 1;  // 8 of 16 registers hold sums
using Float = __m256;

inline Float load(const float* from) { return _mm256_load_ps(from); }

/// The lanes of b where that bit of index is set, of a elsewhere.
template <int Bit>
inline Float choose(Float a, Float b, __m256i index) {
  return _mm256_blendv_ps(a, b, _mm256_castsi256_ps(_mm256_slli_epi32(index, 31 - Bit)));
}

constexpr int log2(int x) { return x > 1 ? 1 + log2(x / 2) : 0; }

/// table[index] of Entries floats.
template <int Entries>
inline Float look_up(const float* table, __m256i index) {
  if constexpr (Entries == 1) {
    return _mm256_broadcast_ss(table);
  } else if constexpr (Entries <= kLanes) {
    return _mm256_permutevar8x32_ps(load(table), index);
  } else {
    constexpr int half = Entries / 2;
    return choose<log2(half)>(look_up<half>(table, index), look_up<half>(table + half, index),
                              index);
  }
}

/// Where t lies, as far as the levels above tell.
struct Search {
  __m256i index = _mm256_setzero_si256();  ///< knots passed; a NaN passes none
  /// The nearest knot between t and 0, which is the nearer end of t's segment; where there is
  /// none, the base of 0's segment. (In a table it would take 31 permutations and blends.)
  Float nearest;

  explicit Search(const LocateArgs& a) : nearest(_mm256_set1_ps(a.origin)) {}
  void compare(Float knot, Float t) {
    const Float passed = _mm256_cmp_ps(knot, t, _CMP_LE_OQ);
    index = _mm256_sub_epi32(_mm256_add_epi32(index, index), _mm256_castps_si256(passed));
    // Passed and not below 0, or not passed and below: signs alone, as blendv reads them.
    nearest = _mm256_blendv_ps(nearest, knot, _mm256_xor_ps(passed, knot));
  }
  /// The gap's own knot, where it has one; index counts these too from here on.
  void compare_tail(const float* tail, Float t) {
    const __m256i first_above = _mm256_set1_epi32(kTailKnots);
    const Float gaps = _mm256_castsi256_ps(_mm256_cmpgt_epi32(first_above, index));
    const Float knot = look_up<kTailKnots>(tail, index);
    const Float passed = _mm256_and_ps(_mm256_cmp_ps(knot, t, _CMP_LE_OQ), gaps);
    index = _mm256_add_epi32(index, _mm256_min_epi32(index, first_above));
    index = _mm256_sub_epi32(index, _mm256_castps_si256(passed));
    nearest = _mm256_blendv_ps(nearest, knot, _mm256_and_ps(_mm256_xor_ps(passed, knot), gaps));
  }
  template <int>
  Float base(const LocateArgs& a) const {
    if (!a.base) return Float{};
    const Float size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), nearest);
    return _mm256_and_ps(nearest, _mm256_cmp_ps(size, _mm256_set1_ps(kFarthestBase), _CMP_LT_OQ));
  }
};

inline Float interleave(Float a, Float b, bool high) {
  return high ? _mm256_unpackhi_ps(a, b) : _mm256_unpacklo_ps(a, b);
}

inline Float interleave_pairs(Float a, Float b, bool high) {
  const __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
  return _mm256_castpd_ps(high ? _mm256_unpackhi_pd(x, y) : _mm256_unpacklo_pd(x, y));
}

inline void store_parts(const Float* four, float* out, int64_t pitch) {
  for (int c = 0; c < 4; c++) {
    _mm256_store_ps(out + c * pitch, _mm256_permute2f128_ps(four[c], four[4 + c], 0x20));
    _mm256_store_ps(out + (4 + c) * pitch, _mm256_permute2f128_ps(four[c], four[4 + c], 0x31));
  }
}

}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/locate_kernel.h"

namespace luna::kernels {

void locate_avx2(const LocateArgs& args) { locate_all(args); }

}  // namespace luna::kernels
