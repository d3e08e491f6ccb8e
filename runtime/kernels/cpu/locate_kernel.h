// locate() for vectors of kLanes floats: included by one file an instruction set, which defines
// Float, Search, look_up() and how vectors are interleaved. A complete binary tree over the sorted
// knots, level after level, each level one or several vector registers that are indexed by
// permutation; lanes are projections of one token. A few knots more than a tree holds are its tail:
// one in each of the first kTailKnots gaps between its knots. (64 knots and some cuts would take
// a level of 64 entries: a quarter of the search.)
#pragma once

#include <immintrin.h>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/locate.h"

namespace luna::kernels {
namespace {

constexpr int kChains = 4;
constexpr int kTokens = 4;                     // whose projections are accumulated together
constexpr int kSearches = 4;                   // that hide each other's latency
constexpr int64_t kBlock = kVectors * kLanes;  // projections at a time
constexpr int kLine = 16;                      // floats of a line of the cache

/// kSearches searches level by level, which hide each other's latency.
template <int Levels, bool Tail, int Level = 0>
inline void descend(const float* table, const Float* t, Search* search) {
  if constexpr (Level < Levels) {
    constexpr int entries = 1 << Level;
#pragma GCC unroll 4
    for (int k = 0; k < kSearches; k++) {
      search[k].compare(look_up<entries>(table, search[k].index), t[k]);
    }
    descend<Levels, Tail, Level + 1>(table + (entries < tiles::kLanes ? tiles::kLanes : entries), t,
                                     search);
  } else if constexpr (Tail) {
#pragma GCC unroll 4
    for (int k = 0; k < kSearches; k++) search[k].compare_tail(table, t[k]);
  }
}

/// t of kTokens tokens and kBlock projections: b_i + sum_j w_ij x_j in kChains sums, kTogether at a
/// time; the more sums, the shorter those along which rounding errors pile up.
inline void project(const LocateArgs& a, const float* const* x, int64_t first,
                    Float (*t)[kVectors]) {
  Float sum[kChains][kTokens][kVectors];
  for (int chain = 0; chain < kChains; chain++) {
    for (int n = 0; n < kTokens; n++) {
      for (int v = 0; v < kVectors; v++) {
        sum[chain][n][v] = chain == 0 ? load(a.bias + first + v * kLanes) : Float{};
      }
    }
  }
  const float* w = a.proj + first;
  const auto add = [&](int64_t j, Float(*chain)[kVectors]) {
    Float row[kVectors];
    for (int v = 0; v < kVectors; v++) row[v] = load(w + j * a.projections + v * kLanes);
#pragma GCC unroll 4
    for (int n = 0; n < kTokens; n++) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) chain[n][v] += row[v] * x[n][j];
    }
  };
  const int64_t whole = a.d / kChains * kChains;
#pragma GCC unroll 4
  for (int first_chain = 0; first_chain < kChains; first_chain += kTogether) {
    for (int64_t j = first_chain; j < whole; j += kChains) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kTogether; chain++) add(j + chain, sum[first_chain + chain]);
    }
  }
  for (int64_t j = whole; j < a.d; j++) add(j, sum[0]);
  for (int n = 0; n < kTokens; n++) {
    for (int v = 0; v < kVectors; v++) {
      for (int step = 1; step < kChains; step *= 2) {
        for (int chain = 0; chain < kChains; chain += 2 * step) {
          sum[chain][n][v] += sum[chain + step][n][v];
        }
      }
      t[n][v] = sum[0][n][v];
    }
  }
}

/// Asks for the rows that lie a block of tokens after these. Once per kTokens of them, between the
/// projections: read where they are needed, rows of memory cost a tenth of the forward pass (N
/// 4096, d 64). There may be none: asking reads nothing.
inline void ask_for_next(const LocateArgs& a, const float* const* x) {
  for (int n = 0; n < kTokens; n++) {
    const float* next = x[n] + kLanes * a.row_stride;
    for (int64_t j = 0; j < a.d; j += kLine) _mm_prefetch(next + j, _MM_HINT_T0);
  }
}

/// Stores the transposed block: row k of `out` is column k of `rows`. Its 4 x 4 blocks are
/// transposed within the parts of 4 floats of vectors, which store_parts() then puts in their
/// places.
inline void store_transposed(const Float* rows, float* out, int64_t pitch) {
  Float two[kLanes], four[kLanes];
  for (int64_t k = 0; k < kLanes; k++) {
    two[k] = interleave(rows[k / 2 * 2], rows[k / 2 * 2 + 1], k % 2);
  }
  for (int k = 0; k < kLanes; k += 4) {
    for (int c = 0; c < 4; c++) {
      four[k + c] = interleave_pairs(two[k + c / 2], two[k + 2 + c / 2], c % 2);
    }
  }
  store_parts(four, out, pitch);
}

/// Replaces t of kLanes tokens by how far it is into its segment.
template <int Levels, bool Tail>
void search_block(const LocateArgs& a, Float* t, Float* segment) {
  for (int n = 0; n < kLanes; n += kSearches) {
    Search search[kSearches] = {Search(a), Search(a), Search(a), Search(a)};
    descend<Levels, Tail>(a.levels.knots, t + n, search);
#pragma GCC unroll 4
    for (int k = 0; k < kSearches; k++) {
      t[n + k] -= search[k].template base<Levels + Tail>(a);
      segment[n + k] = reinterpret_cast<Float>(search[k].index);
    }
  }
}

template <int Levels, bool Tail>
void locate(const LocateArgs& a) {
  for (int64_t n0 = 0; n0 < a.tokens; n0 += kLanes) {
    const float* x[kLanes];
    for (int n = 0; n < kLanes; n++) {
      const int64_t token = n0 + n < a.tokens ? n0 + n : a.tokens - 1;
      x[n] = a.x + token * a.row_stride;
    }
    for (int64_t first = 0; first < a.projections; first += kBlock) {
      Float block[kLanes][kVectors];
      for (int n = 0; n < kLanes; n += kTokens) {
        if (first == 0) ask_for_next(a, x + n);
        project(a, x + n, first, block + n);
      }
      for (int v = 0; v < kVectors; v++) {
        Float t[kLanes], segment[kLanes];
        for (int n = 0; n < kLanes; n++) t[n] = block[n][v];
        search_block<Levels, Tail>(a, t, segment);
        const int64_t to = (first + v * kLanes) * a.pitch + n0;
        store_transposed(t, a.t + to, a.pitch);
        store_transposed(segment, reinterpret_cast<float*>(a.segment) + to, a.pitch);
      }
    }
  }
}

void locate_all(const LocateArgs& args) {
  static_assert(tiles::kLanes % kBlock == 0, "projections are padded to kLanes");
  const bool tail = args.levels.tail;
  switch (args.levels.count) {
    case 8:
      return locate<8, false>(args);
    case 7:
      return tail ? locate<7, true>(args) : locate<7, false>(args);
    case 6:
      return tail ? locate<6, true>(args) : locate<6, false>(args);
    case 5:
      return tail ? locate<5, true>(args) : locate<5, false>(args);
    default:
      return locate<4, false>(args);
  }
}

}  // namespace
}  // namespace luna::kernels
