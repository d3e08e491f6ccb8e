// Transposition of small matrices in the cache.
#pragma once

#include "runtime/kernels/cpu/tile.h"

namespace luna::kernels {

/// to(k, i) = from(i, k) for all i and k of `from`; both contiguous in dimension 0, any stride1.
/// AVX2, which every kernel of the CPU needs.
void transpose(const Matrix& from, float* to, int64_t to_stride);

}  // namespace luna::kernels
