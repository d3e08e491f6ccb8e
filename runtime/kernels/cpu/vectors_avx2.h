// Vectors of 8 floats (vectors.h) and their sums, for files that are compiled for AVX2.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace luna::kernels {
namespace {

constexpr int64_t kVector = 8;

/// Lane k: what x[k] adds up to.
template <typename Vector>
inline Vector add_up(const Vector* x) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
  return _mm256_permute2f128_ps(low, high, 0x20) + _mm256_permute2f128_ps(low, high, 0x31);
}

}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/vectors.h"
