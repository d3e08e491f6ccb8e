// slope_dot() for vectors of kVector floats: included by one file an instruction set, which defines
// first_lane() and add_up().
#pragma once

#include <cstring>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/slope_dot.h"
#include "runtime/kernels/cpu/vectors.h"

namespace luna::kernels {
namespace {

/// The first `count` floats and zeros.
inline Vector load_part(const float* from, int64_t count) {
  float part[kVector] = {};
  std::memcpy(part, from, count * sizeof(float));
  return load(part);
}

/// dt of token n at the kVector projections from `first` on, of which `count` are not padding.
/// Width: dv, or 0 for any; Count: `count`, or 0 for any.
template <int Width, int Count>
inline Vector row_dot(const SlopeDot& a, int64_t n, int64_t first, int64_t count) {
  constexpr int vectors = Width ? Width / kVector : 1;
  const int64_t width = Width ? Width : a.width, projection = 2 * a.rows * width;
  const int32_t* segment = a.segment + first * tiles::kStripPitch + n;
  const float* table = a.table + first * projection + width;
  const float* normaliser = a.normaliser + 2 * first * a.rows + 1;
  const float* v = a.v + n * a.v_row;
  const float scale = a.scale[n * a.scale_stride], last = a.last[n * a.last_stride];
  Vector x[vectors], sum[kVector] = {};
  for (int64_t e = 0; e < (Width ? 1 : a.dv); e += kVector) {
#pragma GCC unroll 16
    for (int k = 0; k < vectors; k++) {
      const float* from = v + e + k * kVector;
      x[k] = scale * (Width || e + kVector <= a.dv ? load(from) : load_part(from, a.dv - e));
    }
#pragma GCC unroll 16
    for (int64_t j = 0; j < (Count ? Count : count); j++) {
      const int64_t s = segment[j * tiles::kStripPitch];
      const float* row = table + j * projection + 2 * width * s + e;
      if (e == 0) sum[j] = last * first_lane(normaliser + 2 * (j * a.rows + s));
#pragma GCC unroll 16
      for (int k = 0; k < vectors; k++) sum[j] += x[k] * load(row + k * kVector);
    }
  }
  return add_up(sum);
}

template <int Width>
void dot_all(const SlopeDot& a) {
  for (int64_t first = 0; first < a.projections; first += kVector) {
    const int64_t left = a.m - first, count = left < kVector ? left : kVector;
    for (int64_t n = 0; n < a.tokens; n++) {
      Vector dt = {};
      if (count > 0 && a.segment[n] != a.rows - 1) {
        dt = count == kVector ? row_dot<Width, kVector>(a, n, first, count)
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
