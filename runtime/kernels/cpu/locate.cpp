// A complete binary tree over the sorted knots, level after level, each level one or several vector
// registers that are indexed by permutation; lanes are projections of one token.
#include "runtime/kernels/cpu/locate.h"

#include <immintrin.h>

namespace luna::kernels {
namespace {

constexpr int kLanes = 16;
constexpr int kTokens = 4;  // whose projections are accumulated together, in kChains sums each
constexpr int kChains = 4;

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

/// index: knots passed, as far as the levels above tell. A NaN passes none.
template <int Levels, int Level = 0>
inline void descend(const float* table, __m512 t, __m512i& index) {
  if constexpr (Level < Levels) {
    constexpr int entries = 1 << Level;
    const __m512 knot = look_up<entries>(table, index);
    const __mmask16 passed = _mm512_cmp_ps_mask(knot, t, _CMP_LE_OQ);
    index = _mm512_add_epi32(index, index);
    index = _mm512_mask_add_epi32(index, passed, index, _mm512_set1_epi32(1));
    descend<Levels, Level + 1>(table + (entries < kLanes ? kLanes : entries), t, index);
  }
}

inline __m512 pair(__m512 a, __m512 b, bool high) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(x, y) : _mm512_unpacklo_pd(x, y));
}

/// Stores the transposed 16 x 16 block: row k of `out` is column k of `rows`.
inline void store_transposed(const __m512* rows, float* out, int64_t pitch) {
  __m512 two[kLanes], four[kLanes];
  for (int k = 0; k < kLanes; k += 2) {
    two[k] = _mm512_unpacklo_ps(rows[k], rows[k + 1]);
    two[k + 1] = _mm512_unpackhi_ps(rows[k], rows[k + 1]);
  }
  for (int k = 0; k < kLanes; k += 4) {
    for (int c = 0; c < 4; c++) four[k + c] = pair(two[k + c / 2], two[k + 2 + c / 2], c % 2);
  }
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

/// t of kTokens tokens and 16 projections: b_i + sum_j w_ij x_j in kChains sums, which shortens the
/// length along which rounding errors pile up.
inline void project(const LocateArgs& a, const float* const* x, int64_t first, __m512* t) {
  __m512 sum[kChains][kTokens];
  for (int chain = 0; chain < kChains; chain++) {
    for (int n = 0; n < kTokens; n++) {
      sum[chain][n] = chain == 0 ? _mm512_load_ps(a.bias + first) : _mm512_setzero_ps();
    }
  }
  const float* w = a.proj + first;
  const auto add = [&](int64_t j, __m512* chain) {
    const __m512 row = _mm512_load_ps(w + j * a.projections);
#pragma GCC unroll 4
    for (int n = 0; n < kTokens; n++) {
      chain[n] = _mm512_fmadd_ps(row, _mm512_set1_ps(x[n][j]), chain[n]);
    }
  };
  int64_t j = 0;
  for (; j + kChains <= a.d; j += kChains) {
#pragma GCC unroll 4
    for (int chain = 0; chain < kChains; chain++) add(j + chain, sum[chain]);
  }
  for (; j < a.d; j++) add(j, sum[0]);
  for (int n = 0; n < kTokens; n++) {
    t[n] = _mm512_add_ps(_mm512_add_ps(sum[0][n], sum[1][n]), _mm512_add_ps(sum[2][n], sum[3][n]));
  }
}

/// Asks for the rows that lie a block of tokens after these. Once per kTokens of them, between the
/// projections: read where they are needed, rows of memory cost a tenth of the forward pass (N
/// 4096, d 64). There may be none: asking reads nothing.
inline void ask_for_next(const LocateArgs& a, const float* const* x) {
  for (int n = 0; n < kTokens; n++) {
    const float* next = x[n] + kLanes * a.row_stride;
    for (int64_t j = 0; j < a.d; j += kLanes) _mm_prefetch(next + j, _MM_HINT_T0);
  }
}

template <int Levels>
void locate(const LocateArgs& a) {
  for (int64_t n0 = 0; n0 < a.tokens; n0 += kLanes) {
    const float* x[kLanes];
    for (int n = 0; n < kLanes; n++) {
      const int64_t token = n0 + n < a.tokens ? n0 + n : a.tokens - 1;
      x[n] = a.x + token * a.row_stride;
    }
    for (int64_t first = 0; first < a.projections; first += kLanes) {
      __m512 t[kLanes], segment[kLanes];
      for (int n = 0; n < kLanes; n += kTokens) {
        if (first == 0) ask_for_next(a, x + n);
        project(a, x + n, first, t + n);
      }
#pragma GCC unroll 4
      for (int n = 0; n < kLanes; n += 4) {  // four searches hide each other's latency
        __m512i index[4];
        for (int k = 0; k < 4; k++) {
          index[k] = _mm512_setzero_si512();
          descend<Levels>(a.levels, t[n + k], index[k]);
        }
        for (int k = 0; k < 4; k++) {
          t[n + k] = _mm512_sub_ps(t[n + k], look_up<(1 << Levels)>(a.base, index[k]));
          segment[n + k] = _mm512_castsi512_ps(index[k]);
        }
      }
      store_transposed(t, a.t + first * a.pitch + n0, a.pitch);
      store_transposed(segment, reinterpret_cast<float*>(a.segment) + first * a.pitch + n0,
                       a.pitch);
    }
  }
}

}  // namespace

void locate_avx512(const LocateArgs& args) {
  switch (args.level_count) {
    case 8:
      return locate<8>(args);
    case 7:
      return locate<7>(args);
    case 6:
      return locate<6>(args);
    case 5:
      return locate<5>(args);
    default:
      return locate<4>(args);
  }
}

}  // namespace luna::kernels
