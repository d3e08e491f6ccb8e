// What the processor that runs this can do.
#pragma once

namespace luna::kernels {

/// AVX-512 F and DQ; every kernel of the CPU needs AVX2.
bool has_avx512();

}  // namespace luna::kernels
