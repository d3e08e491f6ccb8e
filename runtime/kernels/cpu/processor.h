// What the processor that runs this can do.
#pragma once

namespace luna::kernels {

/// AVX-512 F and DQ; every kernel of the CPU needs AVX2.
bool has_avx512();
/// Whether an FMA of 512 bits takes no longer than one of 256: AVX-512, but for AMD's, of which Zen
/// 4 takes halves and later ones were not measured.
bool has_wide_fma();

}  // namespace luna::kernels
