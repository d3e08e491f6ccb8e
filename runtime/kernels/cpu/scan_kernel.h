// scan() for vectors of kVector floats: included by one file an instruction set.
#pragma once

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/scan.h"

namespace luna::kernels {
namespace {

using Vector = float __attribute__((vector_size(kVector * sizeof(float)), aligned(4)));

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector x) { *reinterpret_cast<Vector*>(to) = x; }

/// `Count` coefficients by kVectors vectors of lanes, from (i, j) on: T in registers.
template <int Count>
void scan_block(const Scan& s, int64_t i, int64_t j, bool adds) {
  Vector T[Count][kVectors];
  for (int k = 0; k < Count; k++) {
    for (int v = 0; v < kVectors; v++) T[k][v] = load(s.T + (j + k) * s.T_stride + i + v * kVector);
  }
  for (int64_t n = 0; n < s.tokens; n++) {
    const float *a = s.a.first + n * s.a.stride + i, *b = s.b.first + n * s.b.stride + j,
                *c = s.c.first + n * s.c.stride + j;
    float* out = s.y + n * s.y_stride + i;
    Vector x[kVectors], y[kVectors] = {};
    for (int v = 0; v < kVectors; v++) x[v] = load(a + v * kVector);
#pragma GCC unroll 16
    for (int k = 0; k < Count; k++) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) {
        T[k][v] += x[v] * b[k];
        y[v] += T[k][v] * c[k];
      }
    }
    // A sum of sums of Count: shorter chains round less.
    for (int v = 0; v < kVectors; v++) {
      store(out + v * kVector, adds ? load(out + v * kVector) + y[v] : y[v]);
    }
  }
  if (!s.keeps) return;
  for (int k = 0; k < Count; k++) {
    for (int v = 0; v < kVectors; v++) {
      store(s.T + (j + k) * s.T_stride + i + v * kVector, T[k][v]);
    }
  }
}

void scan_lanes(const Scan& s, int64_t i) {
  int64_t j = 0;
  for (; j + kCoefficients <= s.count; j += kCoefficients) {
    scan_block<kCoefficients>(s, i, j, s.adds || j > 0);
  }
  for (; j < s.count; j++) scan_block<1>(s, i, j, s.adds || j > 0);
}

void scan_all(const Scan& s) {
  static_assert(tiles::kRowColumns % (kVectors * kVector) == 0);
  for (int64_t i = 0; i < s.lanes; i += kVectors * kVector) scan_lanes(s, i);
}

}  // namespace
}  // namespace luna::kernels
