// slope_dot() for vectors of kLanes floats: included by one file an instruction set, which defines
// Float, load(), store(), broadcast(), first_lane() and add_up().
#pragma once

#include <cstring>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/slope_dot.h"

namespace luna::kernels {
namespace {

/// Vectors of row n from entry e on, times its scale; beyond its end 0.
template <int Vectors>
inline void load_row(const SlopeDot& a, int64_t n, int64_t e, Float* x) {
  const Float scale = broadcast(a.scale[n * a.scale_stride]);
  const float* v = a.v + n * a.v_row + e;
#pragma GCC unroll 8
  for (int k = 0; k < Vectors; k++) {
    if (e + (k + 1) * kLanes <= a.dv) {
      x[k] = scale * load(v + k * kLanes);
    } else {
      float part[kLanes] = {};
      std::memcpy(part, v + k * kLanes, (a.dv - e - k * kLanes) * sizeof(float));
      x[k] = scale * load(part);
    }
  }
}

/// dt of token n at the kLanes projections from `first` on, of which `count` are not padding.
/// Width: dv, or 0 for any; Count: `count`, or 0 for any.
template <int Width, int Count>
inline Float row_dot(const SlopeDot& a, int64_t n, int64_t first, int64_t count) {
  constexpr int vectors = Width ? Width / kLanes : 1;
  const int64_t width = Width ? Width : a.width, projection = 2 * a.rows * width;
  const int32_t* segment = a.segment + first * tiles::kStripPitch + n;
  const float* table = a.table + first * projection + width;
  const float* normaliser = a.normaliser + 2 * first * a.rows + 1;
  const Float last = broadcast(a.last[n * a.last_stride]);
  Float x[vectors], sum[kLanes] = {};
  for (int64_t e = 0; e < (Width ? 1 : a.dv); e += kLanes) {
    load_row<vectors>(a, n, e, x);
#pragma GCC unroll 16
    for (int64_t j = 0; j < (Count ? Count : count); j++) {
      const int64_t s = segment[j * tiles::kStripPitch];
      const float* row = table + j * projection + 2 * width * s + e;
      if (e == 0) sum[j] = last * first_lane(normaliser + 2 * (j * a.rows + s));
#pragma GCC unroll 8
      for (int k = 0; k < vectors; k++) sum[j] += x[k] * load(row + k * kLanes);
    }
  }
  return add_up(sum);
}

template <int Width>
void dot_all(const SlopeDot& a) {
  for (int64_t first = 0; first < a.projections; first += kLanes) {
    const int64_t left = a.m - first, count = left < 0 ? 0 : left < kLanes ? left : kLanes;
    for (int64_t n = 0; n < a.tokens; n++) {
      Float dt = {};
      if (a.segment[n] != a.rows - 1) {
        dt = count == kLanes ? row_dot<Width, kLanes>(a, n, first, count)
                             : row_dot<Width, 0>(a, n, first, count);
      }
      store(a.dt + n * a.projections + first, dt);
    }
  }
}

void choose_dot(const SlopeDot& a) {
  switch (a.dv) {
    case 32:
      return dot_all<32>(a);
    case 64:
      return dot_all<64>(a);
    case 128:
      return dot_all<128>(a);
    default:
      return dot_all<0>(a);
  }
}

}  // namespace
}  // namespace luna::kernels
