// scan() for vectors of kVector floats: included by one file an instruction set.
#pragma once

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/scan.h"
#include "runtime/kernels/cpu/vectors.h"

namespace luna::kernels {
namespace {

/// Where a block's part of y comes from and goes: a chain of kChain blocks adds one sum up in
/// `partial`, the last one adds it to y. A longer chain rounds more; to add every block's own sum
/// to y takes 5 % longer.
enum class Link { only, first, middle, last };
constexpr int kChain = 4;
constexpr int64_t kLanes = kVectors * kVector;  // of a block

/// One token of scan_block().
template <int Count, Link At>
inline __attribute__((always_inline)) void scan_token(const Scan& s, int64_t n, float* partial,
                                                      Vector (&T)[Count][kVectors]) {
  const float *a = s.a.first + n * s.a.stride, *b = s.b.first + n * s.b.stride,
              *c = s.c.first + n * s.c.stride;
  float* out = s.y + n * s.y_stride;
  Vector x[kVectors], y[kVectors] = {};
  for (int v = 0; v < kVectors; v++) x[v] = load(a + v * kVector);
  if constexpr (At == Link::middle || At == Link::last) {
    for (int v = 0; v < kVectors; v++) y[v] = load(partial + n * kLanes + v * kVector);
  }
#pragma GCC unroll 16
  for (int k = 0; k < Count; k++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      T[k][v] += x[v] * b[k];
      y[v] += T[k][v] * c[k];
    }
  }
  if constexpr (At == Link::first || At == Link::middle) {
    for (int v = 0; v < kVectors; v++) store(partial + n * kLanes + v * kVector, y[v]);
  } else {
    for (int v = 0; v < kVectors; v++) {
      store(out + v * kVector, s.adds ? load(out + v * kVector) + y[v] : y[v]);
    }
  }
}

/// `Count` coefficients by kVectors vectors of lanes, the first of s: T in registers. Two tokens at
/// a time: counting every one takes 4 % longer.
template <int Count, Link At>
void scan_block(const Scan& s, float* partial) {
  Vector T[Count][kVectors];
  for (int k = 0; k < Count; k++) {
    for (int v = 0; v < kVectors; v++) T[k][v] = load(s.T + k * s.T_stride + v * kVector);
  }
  int64_t n = 0;
  for (; n + 2 <= s.tokens; n += 2) {
    scan_token<Count, At>(s, n, partial, T);
    scan_token<Count, At>(s, n + 1, partial, T);
  }
  if (n < s.tokens) scan_token<Count, At>(s, n, partial, T);
  if (!s.keeps) return;
  for (int k = 0; k < Count; k++) {
    for (int v = 0; v < kVectors; v++) store(s.T + k * s.T_stride + v * kVector, T[k][v]);
  }
}

/// The part of s from lane i and coefficient j on; adds: y has sums already.
Scan part(const Scan& s, int64_t i, int64_t j, bool adds) {
  Scan part = s;
  part.a.first += i;
  part.b.first += j;
  part.c.first += j;
  part.y += i;
  part.T += j * s.T_stride + i;
  part.adds = adds;
  return part;
}

/// The blocks of one chain: `blocks` of kCoefficients, coefficient j the first.
void scan_chain(const Scan& s, int64_t i, int64_t j, int64_t blocks, float* partial) {
  const auto block = [&](int64_t k) { return part(s, i, j + k * kCoefficients, s.adds || j > 0); };
  if (blocks == 1) return scan_block<kCoefficients, Link::only>(block(0), partial);
  scan_block<kCoefficients, Link::first>(block(0), partial);
  for (int64_t k = 1; k + 1 < blocks; k++) {
    scan_block<kCoefficients, Link::middle>(block(k), partial);
  }
  scan_block<kCoefficients, Link::last>(block(blocks - 1), partial);
}

void scan_lanes(const Scan& s, int64_t i) {
  alignas(64) float partial[kScanTokens * kLanes];
  int64_t j = 0;
  while (j + kCoefficients <= s.count) {
    const int64_t left = (s.count - j) / kCoefficients, blocks = left < kChain ? left : kChain;
    scan_chain(s, i, j, blocks, partial);
    j += blocks * kCoefficients;
  }
  for (; j < s.count; j++) {
    scan_block<1, Link::only>(part(s, i, j, s.adds || j > 0), partial);
  }
}

/// Rows of kLanes values.
void copy_lanes(const float* from, int64_t from_stride, float* to, int64_t to_stride,
                int64_t tokens) {
  for (int64_t n = 0; n < tokens; n++) {
    for (int i = 0; i < kLanes; i++) to[n * to_stride + i] = from[n * from_stride + i];
  }
}

/// scan_lanes() whose a and y lie row behind row: every block reads them again, and rows a power of
/// two apart drive each other out of the nearest cache.
void scan_dense_lanes(const Scan& s, int64_t i) {
  alignas(64) float a[kScanTokens * kLanes], y[kScanTokens * kLanes];
  Scan dense = part(s, i, 0, s.adds);
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
  const bool dense = s.count >= kDenseCount;
  for (int64_t i = 0; i < s.lanes; i += kLanes) {
    dense ? scan_dense_lanes(s, i) : scan_lanes(s, i);
  }
}

}  // namespace
}  // namespace luna::kernels
