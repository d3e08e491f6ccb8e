// scan() for vectors of kVector floats: included by one file an instruction set.
#pragma once

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/scan.h"
#include "runtime/kernels/cpu/vectors.h"

namespace luna::kernels {
namespace {

/// `Count` coefficients by kVectors vectors of lanes, the first of s: T in registers.
template <int Count>
void scan_block(const Scan& s) {
  Vector T[Count][kVectors];
  for (int k = 0; k < Count; k++) {
    for (int v = 0; v < kVectors; v++) T[k][v] = load(s.T + k * s.T_stride + v * kVector);
  }
  for (int64_t n = 0; n < s.tokens; n++) {
    const float *a = s.a.first + n * s.a.stride, *b = s.b.first + n * s.b.stride,
                *c = s.c.first + n * s.c.stride;
    float* out = s.y + n * s.y_stride;
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
      store(out + v * kVector, s.adds ? load(out + v * kVector) + y[v] : y[v]);
    }
  }
  if (!s.keeps) return;
  for (int k = 0; k < Count; k++) {
    for (int v = 0; v < kVectors; v++) store(s.T + k * s.T_stride + v * kVector, T[k][v]);
  }
}

/// The part of s from lane i and coefficient j on.
Scan part(const Scan& s, int64_t i, int64_t j) {
  Scan part = s;
  part.a.first += i;
  part.b.first += j;
  part.c.first += j;
  part.y += i;
  part.T += j * s.T_stride + i;
  part.adds = s.adds || j > 0;
  return part;
}

constexpr int64_t kLanes = kVectors * kVector;  // of a block

void scan_lanes(const Scan& s, int64_t i) {
  int64_t j = 0;
  for (; j + kCoefficients <= s.count; j += kCoefficients) {
    scan_block<kCoefficients>(part(s, i, j));
  }
  for (; j < s.count; j++) scan_block<1>(part(s, i, j));
}

/// Rows of kLanes values.
void copy_lanes(const float* from, int64_t from_stride, float* to, int64_t to_stride,
                int64_t tokens) {
  for (int64_t n = 0; n < tokens; n++) {
    for (int i = 0; i < kLanes; i++) to[n * to_stride + i] = from[n * from_stride + i];
  }
}

constexpr int64_t kDenseTokens = 128;

/// scan_lanes() whose a and y lie row behind row: every block reads them again, and rows a power of
/// two apart drive each other out of the nearest cache.
void scan_dense_lanes(const Scan& s, int64_t i) {
  alignas(64) float a[kDenseTokens * kLanes], y[kDenseTokens * kLanes];
  Scan dense = part(s, i, 0);
  copy_lanes(dense.a.first, s.a.stride, a, kLanes, s.tokens);
  if (s.adds) copy_lanes(dense.y, s.y_stride, y, kLanes, s.tokens);
  dense.a = {a, kLanes};
  dense.y = y;
  dense.y_stride = kLanes;
  scan_lanes(dense, 0);
  copy_lanes(y, kLanes, s.y + i, s.y_stride, s.tokens);
}

void scan_all(const Scan& s) {
  static_assert(tiles::kRowColumns % kLanes == 0);
  const bool dense = s.tokens <= kDenseTokens && s.count >= kDenseCount;
  for (int64_t i = 0; i < s.lanes; i += kLanes) {
    dense ? scan_dense_lanes(s, i) : scan_lanes(s, i);
  }
}

}  // namespace
}  // namespace luna::kernels
