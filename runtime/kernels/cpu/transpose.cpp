#include "runtime/kernels/cpu/transpose.h"

#include <immintrin.h>

namespace luna::kernels {
namespace {

constexpr int64_t kBlock = 8;

/// 8 rows of 8: pairs, quadruples, then halves change places.
__attribute__((target("avx2"))) void transpose_block(const float* from, int64_t from_stride,
                                                     float* to, int64_t to_stride) {
  __m256 r[kBlock], s[kBlock];
  for (int k = 0; k < kBlock; k++) r[k] = _mm256_loadu_ps(from + k * from_stride);
  for (int k = 0; k < kBlock; k += 2) {
    s[k] = _mm256_unpacklo_ps(r[k], r[k + 1]);
    s[k + 1] = _mm256_unpackhi_ps(r[k], r[k + 1]);
  }
  for (int k = 0; k < kBlock; k += 4) {
    r[k] = _mm256_shuffle_ps(s[k], s[k + 2], 0x44);
    r[k + 1] = _mm256_shuffle_ps(s[k], s[k + 2], 0xee);
    r[k + 2] = _mm256_shuffle_ps(s[k + 1], s[k + 3], 0x44);
    r[k + 3] = _mm256_shuffle_ps(s[k + 1], s[k + 3], 0xee);
  }
  for (int k = 0; k < kBlock / 2; k++) {
    _mm256_storeu_ps(to + k * to_stride, _mm256_permute2f128_ps(r[k], r[k + 4], 0x20));
    _mm256_storeu_ps(to + (k + 4) * to_stride, _mm256_permute2f128_ps(r[k], r[k + 4], 0x31));
  }
}

}  // namespace

void transpose(const Matrix& from, float* to, int64_t to_stride) {
  const int64_t whole0 = from.extent0 / kBlock * kBlock, whole1 = from.extent1 / kBlock * kBlock;
  for (int64_t k = 0; k < whole1; k += kBlock) {
    for (int64_t i = 0; i < whole0; i += kBlock) {
      transpose_block(from.data + k * from.stride1 + i, from.stride1, to + i * to_stride + k,
                      to_stride);
    }
  }
  for (int64_t k = 0; k < from.extent1; k++) {
    for (int64_t i = k < whole1 ? whole0 : 0; i < from.extent0; i++) {
      to[i * to_stride + k] = from.data[k * from.stride1 + i];
    }
  }
}

}  // namespace luna::kernels
